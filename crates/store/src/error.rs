//! What can go wrong with a database, and whether trying again helps.

use std::path::PathBuf;

use sea_orm::{DbErr, RuntimeErr, SqlErr, SqlxError};

/// Why something was not stored or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A text that names no database.
    #[error("`{0}` names no database: write sqlite:FOLDER or postgres://USER@HOST/DATABASE")]
    Url(String),
    /// The folder of the database files cannot be used.
    #[error("the folder {folder} cannot be used for databases: {source}; create it or choose another")]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The database cannot be reached.
    #[error("the database of `{service}` cannot be opened; is the server running, and may this user log in?")]
    Connect {
        /// The service that wanted it.
        service: String,
        /// What the driver said.
        #[source]
        source: DbErr,
    },
    /// A statement failed.
    #[error(transparent)]
    Database(#[from] DbErr),
    /// No transaction could begin; nothing was kept.
    #[error("the database does not answer: try again in a moment ({0})")]
    Unavailable(String),
    /// More was offered than can be stored; nothing of it was kept.
    #[error("too much is waiting to be stored: try again in a moment")]
    Overloaded,
    /// The process is going down; nothing was kept.
    #[error("the service is stopping: try again elsewhere or later")]
    Stopped,
    /// Another replica has taken the work meanwhile; nothing was kept.
    #[error("another replica has taken this work over")]
    Superseded,
    /// A page token that this product did not write.
    #[error("the page token is not one of ours: start again with an empty token")]
    PageToken,
}

impl Error {
    /// True when a row was there already.
    #[must_use]
    pub fn is_unique_violation(&self) -> bool {
        matches!(self, Self::Database(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))))
    }

    /// True when the same work may succeed a moment later: the link broke, or another transaction was in the way.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Overloaded | Self::Unavailable(_) => true,
            Self::Database(error) => passes(error),
            Self::Url(_)
            | Self::Folder { .. }
            | Self::Connect { .. }
            | Self::Stopped
            | Self::Superseded
            | Self::PageToken => false,
        }
    }
}

/// Transactions that stood still, deadlocks, serialization failures, servers that go down or come up, a busy file and
/// broken links pass; all else
/// repeats itself.
fn passes(error: &DbErr) -> bool {
    /// SQLSTATE of PostgreSQL, and the primary result codes of SQLite for a busy and a locked file.
    const PASSING: [&str; 10] =
        ["25P03", "40001", "40P01", "55P03", "57P01", "57P02", "57P03", "53300", "5", "6"];
    let (DbErr::Exec(RuntimeErr::SqlxError(error))
    | DbErr::Query(RuntimeErr::SqlxError(error))
    | DbErr::Conn(RuntimeErr::SqlxError(error))) = error
    else {
        return matches!(error, DbErr::ConnectionAcquire(_) | DbErr::Conn(_));
    };
    match error.as_ref() {
        SqlxError::Io(_) | SqlxError::PoolTimedOut | SqlxError::PoolClosed | SqlxError::WorkerCrashed => true,
        SqlxError::Database(error) => error.code().is_some_and(|code| PASSING.contains(&code.as_ref())),
        _ => false,
    }
}
