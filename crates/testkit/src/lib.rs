//! What tests stand on: databases and brokers of their own, on every backend that the product supports, and links to them
//! that can be cut.
//!
//! SQLite is always there. The environment names the servers, which `make test` sees to:
//!
//! * `MASAR_TEST_POSTGRES`: the URL of a PostgreSQL server where databases may be created;
//! * `MASAR_TEST_AMQP`: the URL of a RabbitMQ node, without a virtual host;
//! * `MASAR_TEST_RABBITMQCTL`: the command that controls this node, with its arguments if it needs any.

mod database;
mod link;
mod rabbit;

use std::panic::{AssertUnwindSafe, resume_unwind};

use futures::FutureExt;

pub use database::{TestDatabase, count, databases, on_each_database, tamper};
pub use link::{Link, State};
pub use rabbit::{RabbitHost, close_connections, on_rabbit, rabbit};

/// Runs a test, cleans up whatever became of it, and only then passes on its error or panic.
async fn then_clean(
    backend: &str,
    test: impl Future<Output = anyhow::Result<()>>,
    clean: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let outcome = AssertUnwindSafe(test).catch_unwind().await;
    let cleaned = clean.await;
    match outcome {
        Ok(result) => result.and(cleaned).map_err(|error| error.context(format!("on {backend}"))),
        Err(panic) => {
            tell(&format!("failed on {backend}"));
            resume_unwind(panic)
        }
    }
}

/// The URL of a server with another name in the place of its database or virtual host.
fn with_path(server: &str, path: &str) -> String {
    let (address, query) = server.split_at(server.find('?').unwrap_or(server.len()));
    let host = address.find("://").map_or(0, |scheme| scheme + 3);
    let end = address[host..].find('/').map_or(address.len(), |slash| host + slash);
    format!("{}/{path}{query}", &address[..end])
}

#[allow(
    clippy::print_stderr,
    reason = "a test that does less than it could must say so, and where it failed"
)]
fn tell(what: &str) {
    eprintln!("{what}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_path_of_a_url_changes() {
        for (server, changed) in [
            ("postgres://masar@db:5432", "postgres://masar@db:5432/mine"),
            ("postgres://masar@db/postgres", "postgres://masar@db/mine"),
            ("postgres://masar@db/a?host=/run/pg&x=1", "postgres://masar@db/mine?host=/run/pg&x=1"),
            ("amqp://guest:guest@127.0.0.1:5672/%2f", "amqp://guest:guest@127.0.0.1:5672/mine"),
        ] {
            assert_eq!(with_path(server, "mine"), changed);
        }
    }
}
