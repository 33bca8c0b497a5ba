//! The ways out of the house. Whatever is sent here is sent at least once, under an id that never changes.

mod mail;
mod webhook;

use async_trait::async_trait;
use jiff::Timestamp;

pub(crate) use mail::Mail;
pub(crate) use webhook::{Webhooks, new_secret, usable};

use crate::store::delivery;

/// Why a delivery was not taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Another attempt may do better.
    Later(String),
    /// No attempt ever will.
    ForGood(String),
}

/// A way to those who hear.
#[async_trait]
pub(crate) trait Post: Send + Sync + 'static {
    /// Sends a delivery in an attempt that began at `at`. Ends within the lease of an attempt.
    async fn send(&self, delivery: &delivery::Model, at: Timestamp) -> Result<(), Refusal>;
}
