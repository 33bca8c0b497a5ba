//! masar-bus.
