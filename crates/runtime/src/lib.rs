//! masar-runtime.
