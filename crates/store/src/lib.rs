//! Databases: connections, migrations, group commit, leases, what replicas tell each other, multi-row statements and keyset
//! pages, alike on SQLite and PostgreSQL.
//!
//! Each service owns one [`Store`] and nobody else reads its tables.

mod batcher;
mod connect;
mod ear;
mod error;
mod lanes;
mod lease;
mod migration;
pub mod page;
mod rows;
mod statistics;
pub mod time;

pub use batcher::{BatchSettings, Batcher, Writer};
pub use connect::{DatabaseUrl, Store};
pub use ear::{Listener, listen, tell};
pub use error::Error;
pub use lease::{HELD, Lease, Leases, RENEWED, lease_tables};
pub use migration::{AddColumns, CreateTables};
pub use rows::{insert_all, insert_new, padded, save_all};
/// A transaction of one service: what is written in it is there for others once it is committed, or never.
pub use sea_orm::DatabaseTransaction as Transaction;
pub use statistics::look_at_new_tables;
