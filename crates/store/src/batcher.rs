//! Group commit: what arrives while a commit is in flight is written by the next one, in one transaction.
//!
//! No timer and no added wait: an idle batcher writes a lone command at once.

use async_trait::async_trait;
use sea_orm::{DatabaseTransaction, DbBackend};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::{Error, Store};

/// What a batcher writes.
#[async_trait]
pub trait Writer: Send + Sync + 'static {
    /// One piece of work.
    type Command: Send + Sync + Clone + 'static;
    /// What its caller hears.
    type Answer: Send + 'static;
    /// Why it was not done.
    type Error: From<Error> + Send + 'static;

    /// Writes a batch and gives one answer for each command, in their order.
    ///
    /// An `Err` outside fails the batch: it is rolled back and every command is tried alone.
    async fn write(
        &self,
        tx: &DatabaseTransaction,
        batch: Vec<Self::Command>,
    ) -> Result<Vec<Result<Self::Answer, Self::Error>>, Self::Error>;

    /// Called after a commit with its answers, to wake whoever waits for what was written.
    fn committed(&self, _answers: &[Result<Self::Answer, Self::Error>]) {}
}

/// How a batcher gathers.
#[derive(Debug, Clone, Copy)]
pub struct BatchSettings {
    /// The most commands of one transaction.
    pub most: usize,
    /// How many may wait; what comes on top is refused with `Overloaded`.
    pub queue: usize,
}

impl Default for BatchSettings {
    fn default() -> Self {
        Self { most: 500, queue: 8_192 }
    }
}

struct Waiting<W: Writer> {
    command: W::Command,
    answer: oneshot::Sender<Result<W::Answer, W::Error>>,
}

/// The door to a writer. Clones share it; when the last is dropped, the writers finish what was taken and end.
pub struct Batcher<W: Writer> {
    queue: mpsc::Sender<Waiting<W>>,
}

impl<W: Writer> Clone for Batcher<W> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone() }
    }
}

impl<W: Writer> Batcher<W> {
    /// A batcher and the work to run beside it: one writer on SQLite, two on PostgreSQL, where two were measured best.
    pub fn new(store: Store, writer: W, settings: BatchSettings) -> (Self, impl Future<Output = ()> + Send) {
        let (queue, waiting) = mpsc::channel(settings.queue);
        (Self { queue }, run(store, writer, settings.most, waiting))
    }

    /// Has a command written and waits until it is durable.
    ///
    /// # Errors
    /// `Overloaded` at once when too much waits; otherwise why the command was not done.
    pub async fn submit(&self, command: W::Command) -> Result<W::Answer, W::Error> {
        let (answer, answered) = oneshot::channel();
        self.queue.try_send(Waiting { command, answer }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Error::Overloaded,
            mpsc::error::TrySendError::Closed(_) => Error::Stopped,
        })?;
        answered.await.unwrap_or_else(|_| Err(Error::Stopped.into()))
    }

    /// As `submit`, but waits for room instead of refusing: for callers that are themselves held back by their sender.
    ///
    /// # Errors
    /// Why the command was not done.
    pub async fn submit_patiently(&self, command: W::Command) -> Result<W::Answer, W::Error> {
        let (answer, answered) = oneshot::channel();
        self.queue.send(Waiting { command, answer }).await.map_err(|_| Error::Stopped)?;
        answered.await.unwrap_or_else(|_| Err(Error::Stopped.into()))
    }
}

async fn run<W: Writer>(store: Store, writer: W, most: usize, waiting: mpsc::Receiver<Waiting<W>>) {
    let writers = if store.backend() == DbBackend::Sqlite { 1 } else { 2 };
    let writer = std::sync::Arc::new(writer);
    let waiting = std::sync::Arc::new(tokio::sync::Mutex::new(waiting));
    let mut tasks = JoinSet::new();
    for _ in 0..writers {
        let (store, writer, waiting) = (store.clone(), writer.clone(), waiting.clone());
        tasks.spawn(async move {
            loop {
                let mut batch = Vec::new();
                // Only one writer gathers at a time; the other commits meanwhile.
                if waiting.lock().await.recv_many(&mut batch, most).await == 0 {
                    return;
                }
                write(&store, writer.as_ref(), batch).await;
            }
        });
    }
    while tasks.join_next().await.is_some() {}
}

async fn write<W: Writer>(store: &Store, writer: &W, batch: Vec<Waiting<W>>) {
    let (commands, answers): (Vec<_>, Vec<_>) =
        batch.into_iter().map(|waiting| (waiting.command, waiting.answer)).unzip();
    let tx = match store.begin().await {
        Ok(tx) => tx,
        Err(error) => return refuse(answers, &error),
    };
    match commit(tx, writer, commands.clone()).await {
        Ok(results) => tell(answers, results),
        Err(error) if commands.len() == 1 => tell(answers, vec![Err(error)]),
        // One of them spoils the batch: alone, only that one fails.
        Err(_) => {
            let mut left = commands.into_iter().zip(answers);
            while let Some((command, answer)) = left.next() {
                match store.begin().await {
                    Ok(tx) => {
                        let result = commit(tx, writer, vec![command]).await;
                        tell(vec![answer], result.unwrap_or_else(|error| vec![Err(error)]));
                    }
                    Err(error) => {
                        return refuse(std::iter::once(answer).chain(left.map(|(_, answer)| answer)), &error);
                    }
                }
            }
        }
    }
}

/// Without a database there is nothing to try alone: each would wait for it in turn, and all behind them.
fn refuse<A, E: From<Error>>(
    answers: impl IntoIterator<Item = oneshot::Sender<Result<A, E>>>,
    error: &Error,
) {
    for answer in answers {
        let _ = answer.send(Err(Error::Unavailable(error.to_string()).into()));
    }
}

async fn commit<W: Writer>(
    tx: DatabaseTransaction,
    writer: &W,
    commands: Vec<W::Command>,
) -> Result<Vec<Result<W::Answer, W::Error>>, W::Error> {
    let answers = writer.write(&tx, commands).await?;
    tx.commit().await.map_err(Error::from)?;
    writer.committed(&answers);
    Ok(answers)
}

fn tell<A, E>(answers: Vec<oneshot::Sender<Result<A, E>>>, results: Vec<Result<A, E>>) {
    for (answer, result) in answers.into_iter().zip(results) {
        // A caller that went away has its work done all the same.
        let _ = answer.send(result);
    }
}
