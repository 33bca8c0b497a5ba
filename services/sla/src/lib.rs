//! masar-sla.
