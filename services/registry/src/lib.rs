//! masar-registry.
