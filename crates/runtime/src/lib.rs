//! What every process of Masar stands on: time, configuration, who calls, refusals, traces and metrics, and the host
//! that starts services and stops them without losing anything.

pub mod auth;
pub mod channel;
pub mod clock;
pub mod config;
mod host;
pub mod refuse;
pub mod telemetry;

pub use auth::{Caller, caller};
pub use channel::{Channel, Network, Peer};
pub use clock::Clock;
pub use host::{Error, Host, Module, Running, Stage, Worker};

/// An error of any kind, as workers return it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The largest message that a service takes or gives.
pub const MAX_MESSAGE_BYTES: usize = 4 << 20;
