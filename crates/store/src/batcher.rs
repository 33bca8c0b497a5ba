//! Group commit: what arrives while a commit is in flight is written by the next one, in one transaction.
//!
//! No timer and no added wait: an idle batcher writes a lone command at once.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use sea_orm::{DatabaseTransaction, DbBackend};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinSet;

use crate::lanes::Lanes;
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

    /// In whose lane a command waits, such as its tenant: lanes take turns, and none can fill the queue. All wait in one
    /// unless a writer says otherwise.
    fn lane(_command: &Self::Command) -> &str {
        ""
    }

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
    /// How many may wait, half of them in one lane; what comes on top is refused with `Overloaded`.
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

fn lane<W: Writer>(waiting: &Waiting<W>) -> &str {
    W::lane(&waiting.command)
}

/// What waits. There are no lanes any more once nobody writes.
struct Queue<W: Writer> {
    lanes: Mutex<Option<Lanes<Waiting<W>>>>,
    /// Told when there is room again.
    room: Notify,
}

impl<W: Writer> Queue<W> {
    fn with<T>(&self, work: impl FnOnce(&mut Option<Lanes<Waiting<W>>>) -> T) -> T {
        work(&mut self.lanes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The door to a writer. Clones share it; when the last is dropped, the writers finish what was taken and end.
pub struct Batcher<W: Writer> {
    queue: Arc<Queue<W>>,
    /// Rung when there is something to take.
    bell: mpsc::Sender<()>,
}

impl<W: Writer> Clone for Batcher<W> {
    fn clone(&self) -> Self {
        Self { queue: Arc::clone(&self.queue), bell: self.bell.clone() }
    }
}

impl<W: Writer> Batcher<W> {
    /// A batcher and the work to run beside it: one writer on SQLite, two on PostgreSQL, where two were measured best.
    pub fn new(store: Store, writer: W, settings: BatchSettings) -> (Self, impl Future<Output = ()> + Send) {
        let lanes = Mutex::new(Some(Lanes::new(settings.queue, lane::<W>)));
        let (queue, (bell, rung)) = (Arc::new(Queue { lanes, room: Notify::new() }), mpsc::channel(1));
        let gatherer = Gatherer { queue: Arc::clone(&queue), rung, most: settings.most };
        (Self { queue, bell }, run(store, writer, gatherer))
    }

    /// Has a command written and waits until it is durable.
    ///
    /// # Errors
    /// `Overloaded` at once when too much waits; otherwise why the command was not done.
    pub async fn submit(&self, command: W::Command) -> Result<W::Answer, W::Error> {
        let (answer, answered) = oneshot::channel();
        if self.put(Waiting { command, answer })?.is_some() {
            return Err(Error::Overloaded.into());
        }
        answered.await.unwrap_or_else(|_| Err(Error::Stopped.into()))
    }

    /// As `submit`, but waits for room instead of refusing: for callers that are themselves held back by their sender.
    ///
    /// # Errors
    /// Why the command was not done.
    pub async fn submit_patiently(&self, command: W::Command) -> Result<W::Answer, W::Error> {
        let (answer, answered) = oneshot::channel();
        let mut waiting = Waiting { command, answer };
        loop {
            let room = self.queue.room.notified();
            match self.put(waiting)? {
                None => break,
                Some(refused) => waiting = refused,
            }
            room.await;
        }
        answered.await.unwrap_or_else(|_| Err(Error::Stopped.into()))
    }

    /// Puts it where the writers find it, or gives it back when there is no room.
    fn put(&self, waiting: Waiting<W>) -> Result<Option<Waiting<W>>, Error> {
        let refused = self.queue.with(|lanes| Ok(lanes.as_mut().ok_or(Error::Stopped)?.put(waiting)));
        // A bell that rings already is heard.
        let _ = self.bell.try_send(());
        refused
    }
}

/// Takes what waits, for one writer after the other.
struct Gatherer<W: Writer> {
    queue: Arc<Queue<W>>,
    rung: mpsc::Receiver<()>,
    most: usize,
}

impl<W: Writer> Gatherer<W> {
    /// The next batch; an empty one when all is taken and nobody is left who could submit.
    async fn next(&mut self) -> Vec<Waiting<W>> {
        let mut open = true;
        loop {
            let batch = self.queue.with(|lanes| lanes.as_mut().map(|lanes| lanes.take(self.most)));
            let batch = batch.unwrap_or_default();
            if !batch.is_empty() || !open {
                self.queue.room.notify_waiters();
                return batch;
            }
            open = self.rung.recv().await.is_some();
        }
    }
}

/// Whoever still waits hears that nobody writes any more.
impl<W: Writer> Drop for Gatherer<W> {
    fn drop(&mut self) {
        self.queue.with(Option::take);
        self.queue.room.notify_waiters();
    }
}

async fn run<W: Writer>(store: Store, writer: W, gatherer: Gatherer<W>) {
    let writers = if store.backend() == DbBackend::Sqlite { 1 } else { 2 };
    let (writer, gatherer) = (Arc::new(writer), Arc::new(tokio::sync::Mutex::new(gatherer)));
    let mut tasks = JoinSet::new();
    for _ in 0..writers {
        let (store, writer, gatherer) = (store.clone(), Arc::clone(&writer), Arc::clone(&gatherer));
        tasks.spawn(async move {
            loop {
                // Only one writer gathers at a time; the other commits meanwhile.
                let batch = gatherer.lock().await.next().await;
                if batch.is_empty() {
                    return;
                }
                write(&store, writer.as_ref(), batch).await;
            }
        });
    }
    drop(gatherer);
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
