//! masar-testkit.
