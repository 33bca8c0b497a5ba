//! masar-routing.
