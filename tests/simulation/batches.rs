//! Two replicas take in submissions by group commit; callers try again until they hear that theirs is durable.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;
use masar_bus::{Event, Outbox};
use masar_store::{BatchSettings, Batcher, Error, Transaction, Writer};
use prost_types::Timestamp as Nothing;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use tokio::time::timeout;

use crate::checks::{self, ensure};
use crate::disk::Disk;
use crate::quiet::wait;
use crate::runner::{Scenario, die_at_every_step, explore, first_to_fail};
use crate::template;
use crate::world::{Boot, Life, Witness, World};

const REPLICAS: [&str; 2] = ["intake-1", "intake-2"];
/// How long a caller waits for an answer.
const PATIENCE: Duration = Duration::from_secs(4);

/// The scenario, and what is broken in it.
#[derive(Default)]
struct Batches {
    /// What the database does besides.
    tamper: &'static str,
    /// Nobody looks whether a submission is there already.
    forgetful: bool,
}

/// What a caller wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Taken,
    /// It is refused, and the others of its batch are not.
    Refused,
    /// It spoils its batch, of which all others must be taken nevertheless.
    Spoils,
}

#[derive(Clone)]
struct Submission {
    key: String,
    wish: Wish,
}

/// Why a submission was not taken.
#[derive(Debug)]
enum Refusal {
    ByItself(Wish),
    ByTheStore,
}

impl From<Error> for Refusal {
    fn from(_: Error) -> Self {
        Self::ByTheStore
    }
}

/// Where callers find the replicas that are up.
type Doors = Arc<Mutex<BTreeMap<&'static str, (Life, Batcher<Accept>)>>>;

struct Accept {
    outbox: Outbox,
    life: Life,
    forgetful: bool,
}

#[async_trait]
impl Writer for Accept {
    type Command = Submission;
    type Answer = i64;
    type Error = Refusal;

    async fn write(
        &self,
        tx: &Transaction,
        batch: Vec<Submission>,
    ) -> Result<Vec<Result<i64, Refusal>>, Refusal> {
        let mut answers = Vec::new();
        for Submission { key, wish } in batch {
            answers.push(match wish {
                Wish::Taken => Ok(self.take(tx, key).await.map_err(Error::from)?),
                Wish::Refused => Err(Refusal::ByItself(wish)),
                Wish::Spoils => return Err(Refusal::ByItself(wish)),
            });
        }
        Ok(answers)
    }
}

impl Accept {
    /// The reference of a submission, which it may have already.
    async fn take(&self, tx: &Transaction, key: String) -> Result<i64, sea_orm::DbErr> {
        let ask = |sql| Statement::from_sql_and_values(DbBackend::Sqlite, sql, [key.clone().into()]);
        let known = tx.query_one_raw(ask("SELECT id FROM submitted WHERE key = ?")).await?;
        if let Some(row) = known.filter(|_| !self.forgetful) {
            return row.try_get("", "id");
        }
        let new = tx.query_one_raw(ask("INSERT INTO submitted (key) VALUES (?) RETURNING id")).await?;
        let event = Event::new("submitted", "DEMO-MUN", &key, self.life.clock.now(), &Nothing::default());
        self.outbox.put(tx, vec![event]).await.map_err(|error| sea_orm::DbErr::Custom(error.to_string()))?;
        new.map_or(Ok(0), |row| row.try_get("", "id"))
    }
}

impl Scenario for Batches {
    const NAME: &'static str = "group_commit";
    const SEEDS: u64 = 1_500;

    async fn play(&self, world: &World, shape: u64) -> Result<String, String> {
        let disk = Disk::new(world, "intake", template::bus());
        disk.change(self.tamper);
        let doors = Doors::default();
        for name in REPLICAS {
            world.add(name, intake(disk.clone(), Arc::clone(&doors), name, self.forgetful));
        }
        let wishes = wishes(shape);
        let callers = Arc::new(Callers {
            world: world.clone(),
            disk: disk.clone(),
            heard: Mutex::default(),
            content: AtomicUsize::new(0),
        });
        world.witnessed_by(Arc::clone(&callers) as Arc<dyn Witness>);
        for submission in wishes.clone() {
            let (world, callers, doors) = (world.clone(), Arc::clone(&callers), Arc::clone(&doors));
            tokio::spawn(async move { call(&world, &callers, &doors, submission).await });
        }
        world.run(|| callers.content.load(Ordering::SeqCst) == wishes.len()).await?;
        let wanted = wishes.iter().filter(|submission| submission.wish == Wish::Taken).count();
        let taken = disk.texts("SELECT key FROM submitted ORDER BY key");
        checks::no_two_alike(&taken, "a submission was taken")?;
        ensure(taken.len() == wanted, || format!("taken: {taken:?} of {wanted}"))?;
        let told = disk.texts("SELECT subject FROM outbox ORDER BY subject");
        ensure(told == taken, || format!("taken: {taken:?}\ntold: {told:?}"))?;
        Ok(taken.join("\n"))
    }
}

/// What callers want, of which some spoil batches.
fn wishes(shape: u64) -> Vec<Submission> {
    let wish = |number: u64| match number % 8 {
        3 if shape % 2 == 1 => Wish::Refused,
        6 if shape >= 4 => Wish::Spoils,
        _ => Wish::Taken,
    };
    (0..8 + shape).map(|number| Submission { key: format!("key-{number:02}"), wish: wish(number) }).collect()
}

fn intake(disk: Disk, doors: Doors, name: &'static str, forgetful: bool) -> Boot {
    Arc::new(move |life| {
        let (disk, doors) = (disk.clone(), Arc::clone(&doors));
        Box::pin(async move {
            let store = disk.store(&life);
            let writer = Accept { outbox: Outbox::new("intake"), life: life.clone(), forgetful };
            let (batcher, work) = Batcher::new(store, writer, BatchSettings { most: 4, queue: 5 });
            doors.lock().expect("nobody panics").insert(name, (life.clone(), batcher));
            // The door closes first, and the work ends when all that was taken is written.
            tokio::join!(work, async {
                life.stop.cancelled().await;
                doors.lock().expect("nobody panics").remove(name);
            });
        })
    })
}

/// Submits until there is an answer.
async fn call(world: &World, callers: &Callers, doors: &Doors, submission: Submission) {
    loop {
        wait(Duration::from_millis(world.draw(1_500))).await;
        let name = REPLICAS[usize::try_from(world.draw(2)).unwrap_or(0)];
        let Some((life, batcher)) = doors.lock().expect("nobody panics").get(name).cloned() else { continue };
        let Ok(answer) = timeout(PATIENCE, batcher.submit(submission.clone())).await else { continue };
        // The word of a process that died on the way was never heard.
        if life.is_alive() && !matches!(answer, Err(Refusal::ByTheStore)) {
            return callers.heard.lock().expect("nobody panics").push((submission, answer));
        }
    }
}

/// What callers have heard, and whether it is true.
struct Callers {
    world: World,
    disk: Disk,
    heard: Mutex<Vec<(Submission, Result<i64, Refusal>)>>,
    content: AtomicUsize,
}

impl Witness for Callers {
    fn settled(&self) {
        for (Submission { key, wish }, answer) in self.heard.lock().expect("nobody panics").drain(..) {
            let ids = self.disk.texts(&format!("SELECT CAST(id AS TEXT) FROM submitted WHERE key = '{key}'"));
            let is_true = match &answer {
                Ok(id) => ids == [id.to_string()],
                Err(Refusal::ByItself(told)) => *told == wish && ids.is_empty(),
                Err(Refusal::ByTheStore) => false,
            };
            if !is_true {
                self.world.wrong(format!("`{key}` was told {answer:?}, and what is durable is {ids:?}"));
            }
            self.content.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[test]
fn group_commit() -> Result<()> {
    explore(&Batches::default())
}

#[test]
fn group_commit_that_dies_at_every_step() -> Result<()> {
    die_at_every_step(&Batches::default(), 5).map(drop)
}

#[test]
fn a_writer_that_does_not_know_its_keys_is_found() {
    assert!(first_to_fail(&Batches { forgetful: true, ..Batches::default() }, 100).is_some());
}

#[test]
fn a_database_that_loses_what_it_took_is_found() {
    let tamper = "CREATE TRIGGER loses AFTER INSERT ON submitted WHEN new.id % 5 = 0 BEGIN \
        DELETE FROM submitted WHERE id = new.id; END;";
    assert!(first_to_fail(&Batches { tamper, ..Batches::default() }, 100).is_some());
}
