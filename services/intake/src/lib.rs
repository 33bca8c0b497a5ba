//! masar-intake.
