//! masar-notify.
