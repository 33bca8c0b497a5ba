//! What the bus promises, on every store and every transport; and what RabbitMQ adds to it.
#![allow(clippy::unwrap_used, reason = "a poisoned lock fails the test anyway")]

mod bench;
mod delivery;
mod outage;
mod partitions;
mod poison;
mod rabbit;
mod recorder;
mod repeat;
mod settle;
mod standby;
