//! The bus: every service is a function from a batch of events to a batch of events.
//!
//! A service writes its events into its [`Outbox`] in the transaction of its state; a [`Relay`] hands them to a
//! [`Transport`] and deletes them when it confirms; a [`Consumer`] records what it has seen in the transaction of what
//! it does. So effects in our databases happen exactly once, and the events of one subject stay in order.

mod backoff;
mod consumer;
mod error;
mod event;
mod former;
mod kept;
mod local;
mod metrics;
mod outbox;
mod parked;
mod rabbit;
mod relay;
mod tables;
mod trace;
mod transport;

use std::sync::Arc;

use jiff::Timestamp;

pub use consumer::{Consumer, Handler};
pub use error::Error;
pub use event::Event;
pub use kept::{all_kept, keep, kept};
pub use local::LocalTransport;
pub use outbox::{Outbox, waiting};
pub use parked::{Desk, Parked};
pub use rabbit::RabbitTransport;
pub use relay::Relay;
pub use tables::migrations;
pub use transport::{Delivery, Message, PARTITIONS, Transport, every_partition, everywhere, partition_of};

/// Tells the time: the bus itself never looks at the clock on the wall.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;
