//! What a replica tells the others: that something has changed which they keep in memory. SQLite has one process, and so
//! nobody to tell.

use std::fmt::Display;
use std::time::Duration;

use async_trait::async_trait;
use sea_orm::sqlx::postgres::PgListener;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, RuntimeErr, Statement};

use crate::{Error, Store};

/// How long to wait after a failure.
const PAUSE: Duration = Duration::from_secs(1);

/// Tells all replicas under a topic, once the transaction commits. For what changes seldom: on PostgreSQL, transactions
/// that tell something commit one after another.
///
/// # Errors
/// What the database says.
pub async fn tell(tx: &DatabaseTransaction, topic: &str, what: &str) -> Result<(), Error> {
    if tx.get_database_backend() == DbBackend::Postgres {
        let values = [topic.into(), what.into()];
        let tell = Statement::from_sql_and_values(DbBackend::Postgres, "SELECT pg_notify($1, $2)", values);
        tx.execute_raw(tell).await?;
    }
    Ok(())
}

/// Whoever keeps in memory what another replica may change.
#[async_trait]
pub trait Listener: Sync {
    /// Why it could not be taken over.
    type Error: Display + Send;

    /// Takes over what has changed; without a word, anything may have.
    async fn heard(&self, what: Option<String>) -> Result<(), Self::Error>;
}

/// Listens to what the replicas tell under a topic, this one included. The topics of two services differ.
pub async fn listen<L: Listener>(store: &Store, topic: &str, listener: &L) {
    loop {
        if let Err(problem) = try_listen(store, topic, listener).await {
            tracing::warn!(topic, problem, "what other replicas tell is not heard; tried again");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn try_listen<L: Listener>(store: &Store, topic: &str, listener: &L) -> Result<(), String> {
    if store.backend() != DbBackend::Postgres {
        return std::future::pending().await;
    }
    let mut ear = open(store, topic).await.map_err(|error| error.to_string())?;
    // Before the ear was open, and again after its connection broke, something may have been missed.
    let mut what = None;
    loop {
        listener.heard(what).await.map_err(|error| error.to_string())?;
        let told = ear.try_recv().await.map_err(|error| failed(error).to_string())?;
        what = told.map(|told| told.payload().to_owned());
    }
}

async fn open(store: &Store, topic: &str) -> Result<PgListener, Error> {
    let mut ear =
        PgListener::connect_with(store.reader().get_postgres_connection_pool()).await.map_err(failed)?;
    ear.listen(topic).await.map_err(failed)?;
    Ok(ear)
}

fn failed(error: sea_orm::sqlx::Error) -> Error {
    DbErr::Conn(RuntimeErr::SqlxError(error.into())).into()
}
