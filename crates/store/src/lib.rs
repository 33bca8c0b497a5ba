//! masar-store.
