//! Opening the database of a service, and its transactions.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbBackend,
    SqliteTransactionMode, TransactionOptions, TransactionTrait,
};
use sea_orm_migration::MigratorTrait;

use crate::Error;

/// Connections that one service holds to PostgreSQL at most: two writers, two consumers, up to four that listen to other
/// replicas, and readers.
const POSTGRES_CONNECTIONS: u32 = 12;
/// Readers of one SQLite file.
const SQLITE_READERS: u32 = 4;
/// Pages that the writing connection of one SQLite file keeps, in KiB, and each that reads. There are seven files in an
/// embedded platform, and behind these caches stands that of the system.
const SQLITE_WRITER_CACHE: u32 = 16 << 10;
const SQLITE_READER_CACHE: u32 = 4 << 10;
/// Statements that a connection keeps prepared: all of a service, of which those over batches come in the sizes that these are
/// cut into.
const STATEMENTS: usize = 512;
/// How long a transaction may stand still before PostgreSQL ends it: a replica that was stopped in the middle of one must
/// not keep its rows from the others, and finds that nothing of it was kept.
const STANDSTILL: &str = "10s";
/// PostgreSQL compiles what it takes for long work, which costs a tenth of a second: nothing here is, whatever it takes it for.
const COMPILES: &str = "off";
/// Any number will do, as long as no other product locks the same one: "masar" in ASCII.
const MIGRATION_LOCK: i64 = 0x006d_6173_6172;

/// Where the databases are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// One SQLite file per service in this folder.
    SqliteFolder(PathBuf),
    /// One schema per service in this PostgreSQL database.
    Postgres(String),
}

impl FromStr for DatabaseUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Postgres(text.to_owned()));
        }
        match text.strip_prefix("sqlite:") {
            Some(folder) if !folder.is_empty() => Ok(Self::SqliteFolder(PathBuf::from(folder))),
            _ => Err(Error::Url(text.to_owned())),
        }
    }
}

/// The database of one service. Clones share its connections.
#[derive(Debug, Clone)]
pub struct Store {
    /// SQLite: the one connection that writes. PostgreSQL: the pool.
    writer: DatabaseConnection,
    reader: DatabaseConnection,
    shared: bool,
}

impl Store {
    /// Opens the database of a service and creates it when it is not there.
    ///
    /// # Errors
    /// `Folder` or `Connect`.
    pub async fn connect(url: &DatabaseUrl, service: &str) -> Result<Self, Error> {
        let opened = match url {
            DatabaseUrl::SqliteFolder(folder) => Self::sqlite(folder, service).await,
            DatabaseUrl::Postgres(url) => Self::postgres(url, service).await,
        };
        opened.map_err(|error| match error {
            Error::Database(source) => Error::Connect { service: service.to_owned(), source },
            other => other,
        })
    }

    async fn sqlite(folder: &std::path::Path, service: &str) -> Result<Self, Error> {
        let unusable = |source| Error::Folder { folder: folder.to_owned(), source };
        std::fs::create_dir_all(folder).map_err(unusable)?;
        let turn = std::fs::File::create(folder.join(format!("{service}.lock"))).map_err(unusable)?;
        // SQLite refuses at once when two make the same new file a WAL file, so they take turns.
        let turn = tokio::task::spawn_blocking(move || turn.lock().map(|()| turn));
        let _held = turn.await.map_err(std::io::Error::other).flatten().map_err(unusable)?;
        let url = format!("sqlite://{}?mode=rwc", folder.join(format!("{service}.db")).display());
        Ok(Self {
            writer: Database::connect(sqlite_options(&url, 1, SQLITE_WRITER_CACHE)).await?,
            reader: Database::connect(sqlite_options(&url, SQLITE_READERS, SQLITE_READER_CACHE)).await?,
            shared: false,
        })
    }

    async fn postgres(url: &str, service: &str) -> Result<Self, Error> {
        let schema = format!("masar_{service}");
        let mut options = ConnectOptions::new(url);
        options
            .max_connections(POSTGRES_CONNECTIONS)
            .sqlx_logging(false)
            .acquire_timeout(Duration::from_secs(10))
            .set_schema_search_path(schema.clone())
            .map_sqlx_postgres_opts(|options| {
                options
                    .options([("idle_in_transaction_session_timeout", STANDSTILL), ("jit", COMPILES)])
                    .statement_cache_capacity(STATEMENTS)
            });
        let pool = Database::connect(options).await?;
        let there = pool.execute_unprepared(&format!("CREATE SCHEMA IF NOT EXISTS {schema}")).await;
        // Two replicas that start at once may both try; one of them is too late and that is well.
        if let Err(error) = there
            && !error.to_string().contains("duplicate key")
        {
            return Err(error.into());
        }
        Ok(Self::shared(pool.clone(), pool))
    }

    /// The database behind connections that somebody has opened, which other processes may use too.
    #[must_use]
    pub fn shared(writer: DatabaseConnection, reader: DatabaseConnection) -> Self {
        Self { writer, reader, shared: true }
    }

    /// Which database it is.
    #[must_use]
    pub fn backend(&self) -> DbBackend {
        self.reader.get_database_backend()
    }

    /// True when other processes may use the database too; a file of SQLite belongs to one.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.shared
    }

    /// The connections for reading.
    #[must_use]
    pub fn reader(&self) -> &DatabaseConnection {
        &self.reader
    }

    /// The connections for a statement that writes by itself.
    #[must_use]
    pub fn writer(&self) -> &DatabaseConnection {
        &self.writer
    }

    /// Begins a transaction that writes. On SQLite there is one at a time.
    ///
    /// # Errors
    /// What the database says.
    pub async fn begin(&self) -> Result<DatabaseTransaction, Error> {
        let sqlite_transaction_mode =
            (self.backend() == DbBackend::Sqlite).then_some(SqliteTransactionMode::Immediate);
        let options = TransactionOptions { sqlite_transaction_mode, ..TransactionOptions::default() };
        Ok(self.writer.begin_with_options(options).await?)
    }

    /// Brings the tables to the newest form, or changes nothing; of several that try at once, the others wait for one.
    ///
    /// # Errors
    /// What the database says.
    pub async fn migrate<M: MigratorTrait>(&self) -> Result<(), Error> {
        let tx = self.begin().await?;
        if self.backend() == DbBackend::Postgres {
            tx.execute_unprepared(&format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")).await?;
        }
        M::up(&tx, None).await?;
        Ok(tx.commit().await?)
    }

    /// Closes the connections, after what runs on them.
    ///
    /// # Errors
    /// What the database says.
    pub async fn close(self) -> Result<(), Error> {
        self.writer.close().await?;
        Ok(self.reader.close().await?)
    }
}

fn sqlite_options(url: &str, connections: u32, cache: u32) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(connections)
        .min_connections(1)
        .sqlx_logging(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .acquire_timeout(Duration::from_secs(60))
        .map_sqlx_sqlite_opts(move |options| {
            options
                .pragma("journal_mode", "WAL")
                // An acknowledged case must survive the loss of power.
                .pragma("synchronous", "FULL")
                .pragma("wal_autocheckpoint", "20000")
                .pragma("cache_size", format!("-{cache}"))
                .pragma("temp_store", "MEMORY")
                .busy_timeout(Duration::from_secs(30))
                .foreign_keys(true)
                .statement_cache_capacity(STATEMENTS)
        });
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_two_kinds_of_url() {
        assert_eq!("sqlite:/data".parse::<DatabaseUrl>().unwrap(), DatabaseUrl::SqliteFolder("/data".into()));
        assert!(matches!("postgres://masar@db/masar".parse(), Ok(DatabaseUrl::Postgres(_))));
        for text in ["", "sqlite:", "mysql://x", "data.db"] {
            assert!(matches!(text.parse::<DatabaseUrl>(), Err(Error::Url(_))), "{text}");
        }
    }
}
