//! What can go wrong on the bus, and whether trying again helps.

/// Why an event was not written, carried or handled.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database refused.
    #[error(transparent)]
    Store(#[from] masar_store::Error),
    /// The data of an event is not what its type says.
    #[error("the data of the event `{kind}` cannot be read: {problem}")]
    Data {
        /// Type of the event.
        kind: String,
        /// What is wrong.
        problem: String,
    },
    /// A consumer can do nothing with an event, now or later.
    #[error("{0}")]
    Unusable(String),
    /// The transport did not take or deliver a message; the relay sends it again.
    #[error("the message was not delivered: {0}")]
    Transport(String),
    /// The broker cannot carry our messages until somebody mends it.
    #[error("{0}")]
    Topology(String),
    /// Another event of its subject was parked before: that one must be settled first.
    #[error("the event `{0}` of the same subject was parked before: settle that one first")]
    Held(uuid::Uuid),
    /// There is no parked event with this id.
    #[error("no event `{0}` is parked here: list what is parked")]
    NotParked(uuid::Uuid),
}

impl Error {
    /// True when the same event may be handled a moment later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Store(error) => error.is_retryable(),
            Self::Transport(_) => true,
            Self::Data { .. }
            | Self::Unusable(_)
            | Self::Topology(_)
            | Self::Held(_)
            | Self::NotParked(_) => false,
        }
    }
}

impl From<sea_orm::DbErr> for Error {
    fn from(error: sea_orm::DbErr) -> Self {
        Self::Store(error.into())
    }
}
