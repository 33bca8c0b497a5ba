//! masar-escalation.
