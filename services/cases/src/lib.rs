//! masar-cases.
