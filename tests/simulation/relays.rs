//! Two replicas of a service write events and relay them, two of another handle them; one event cannot be handled at first.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use async_trait::async_trait;
use masar_bus::{Consumer, Desk, Error, Event, Handler, Outbox, Relay};
use masar_store::{Store, Transaction};
use prost_types::Timestamp as Number;
use sea_orm::{ConnectionTrait, DbBackend, Statement};

use crate::checks;
use crate::disk::Disk;
use crate::faults::Plan;
use crate::network::{Breaks, Network};
use crate::quiet::wait;
use crate::runner::{Scenario, die_at_every_step, explore, first_to_fail, play, play_seed};
use crate::template;
use crate::world::{Boot, Life, World};

const TENANT: &str = "DEMO-MUN";
const WRITER: &str = "writer";
const READER: &str = "reader";
const LINKS: &[(&str, &[&str])] = &[(READER, &[WRITER])];
/// The pause between two looks of whoever sees to what is parked.
const SEES_TO: Duration = Duration::from_secs(2);

/// The scenario, and what is broken in it.
#[derive(Default)]
struct Relays {
    breaks: Breaks,
    /// What the database of the consumer does besides.
    tamper: &'static str,
}

/// How much is written.
#[derive(Clone, Copy)]
struct Work {
    subjects: u64,
    /// Events of each subject.
    each: i64,
    /// Of the last subject, the event that cannot be handled while things go wrong.
    poison: i64,
}

impl Work {
    fn of(shape: u64) -> Self {
        let subjects = shape % 3 + 1;
        Self { subjects, each: if shape < 4 { 3 } else { 5 }, poison: i64::try_from(shape % 4).unwrap_or(0) }
    }

    fn all(self) -> i64 {
        self.each * self.subjects.cast_signed()
    }
}

impl Scenario for Relays {
    const NAME: &'static str = "relays_and_consumers";
    const SEEDS: u64 = 400;

    async fn play(&self, world: &World, shape: u64) -> Result<String, String> {
        let work = Work::of(shape);
        let network = Network::new(world, LINKS, self.breaks);
        let written = Disk::new(world, "writer", template::bus());
        let handled = Disk::new(world, "reader", template::bus());
        handled.change(self.tamper);
        for name in ["writer-1", "writer-2"] {
            world.add(name, writer(written.clone(), network.clone(), work));
        }
        for name in ["reader-1", "reader-2"] {
            world.add(name, reader(handled.clone(), network.clone(), work));
        }
        world
            .run(|| {
                network.is_empty()
                    && written.count("outbox") == 0
                    && written.count("written") == work.all()
                    && handled.count("parked") == 0
            })
            .await?;
        checks::handled_once_and_in_order(&written, &handled)?;
        checks::nothing_is_left(&written)?;
        checks::nothing_is_left(&handled)?;
        checks::one_holder_of_each_epoch(&written.texts(checks::LOG))?;
        checks::no_two_alike(&handled.texts("SELECT event FROM handled"), "an event was handled")?;
        Ok(handled.texts("SELECT subject || ' ' || number FROM handled ORDER BY subject, id").join("\n"))
    }
}

fn writer(disk: Disk, network: Network, work: Work) -> Boot {
    Arc::new(move |life| {
        let (disk, network) = (disk.clone(), network.clone());
        Box::pin(async move {
            let store = disk.store(&life);
            let outbox = Outbox::new(WRITER);
            let relay = Relay {
                store: store.clone(),
                outbox: outbox.clone(),
                transport: network.wire(&life),
                now: life.clock.teller(),
            };
            tokio::select! {
                biased;
                () = relay.run(life.stop.clone()) => {}
                () = write_all(&life, &store, &outbox, work) => {}
            }
        })
    })
}

/// Writes until all is written, by this replica or another.
async fn write_all(life: &Life, store: &Store, outbox: &Outbox, work: Work) {
    let mut left: Vec<u64> = (0..work.subjects).collect();
    while !left.is_empty() {
        let subject = left[usize::try_from(life.world.draw(left.len() as u64)).unwrap_or(0)];
        // What fails is tried again.
        if let Ok(false) = write(life, store, outbox, subject, work.each).await {
            left.retain(|other| *other != subject);
        }
        wait(Duration::from_millis(life.world.draw(300))).await;
    }
    std::future::pending().await
}

/// Writes the next event of a subject, and that it did. False when there are enough.
async fn write(life: &Life, store: &Store, outbox: &Outbox, subject: u64, most: i64) -> Result<bool, Error> {
    let tx = store.begin().await?;
    let subject = format!("subject-{subject}");
    let count = Statement::from_sql_and_values(
        DbBackend::Sqlite,
        "SELECT COUNT(*) AS count FROM written WHERE subject = ?",
        [subject.clone().into()],
    );
    let row = tx.query_one_raw(count).await?;
    let number = row.map_or(Ok(0), |row| row.try_get::<i64>("", "count"))? + 1;
    if number > most {
        return Ok(false);
    }
    let event =
        Event::new("counted", TENANT, &subject, life.clock.now(), &Number { seconds: number, nanos: 0 });
    keep(&tx, "written", &event, number).await?;
    outbox.put(&tx, vec![event]).await?;
    tx.commit().await?;
    outbox.wake();
    Ok(true)
}

async fn keep(tx: &Transaction, table: &str, event: &Event, number: i64) -> Result<(), Error> {
    let sql = format!("INSERT INTO {table} (subject, number, event) VALUES (?, ?, ?)");
    let values = [event.subject.clone().into(), number.into(), event.id.to_string().into()];
    tx.execute_raw(Statement::from_sql_and_values(DbBackend::Sqlite, sql, values)).await?;
    Ok(())
}

fn reader(disk: Disk, network: Network, work: Work) -> Boot {
    Arc::new(move |life| {
        let (disk, network) = (disk.clone(), network.clone());
        Box::pin(async move {
            let store = disk.store(&life);
            let consumer = Consumer {
                name: READER,
                sources: &[WRITER],
                store,
                handler: Arc::new(Keeps { life: life.clone(), work }),
                transport: network.wire(&life),
                now: life.clock.teller(),
            };
            let desk = consumer.desk();
            tokio::select! {
                biased;
                _ = consumer.run(life.stop.clone()) => {}
                () = see_to(&desk) => {}
            }
        })
    })
}

/// Tries again and again what was parked.
async fn see_to(desk: &Desk) {
    loop {
        wait(SEES_TO).await;
        let Ok((parked, _)) = desk.list(TENANT, 10, "").await else { continue };
        for parked in parked {
            // It may still fail, or another replica was faster.
            let _ = desk.retry(TENANT, parked.event.id).await;
        }
    }
}

struct Keeps {
    life: Life,
    work: Work,
}

#[async_trait]
impl Handler for Keeps {
    async fn handle(&self, tx: &Transaction, events: &[Event]) -> Result<(), Error> {
        for event in events {
            let number = event.decode::<Number>()?.seconds;
            let last = format!("subject-{}", self.work.subjects - 1);
            if event.subject == last && number == self.work.poison && !self.life.world.is_calm() {
                return Err(Error::Unusable("not while things go wrong".to_owned()));
            }
            keep(tx, "handled", event, number).await?;
        }
        Ok(())
    }
}

#[test]
fn relays_and_consumers() -> Result<()> {
    explore(&Relays::default())
}

#[test]
fn relays_and_consumers_that_die_at_every_step() -> Result<()> {
    let steps = die_at_every_step(&Relays::default(), 5)?;
    ensure!(steps > 30, "{steps} steps are no run");
    Ok(())
}

#[test]
fn the_same_seed_gives_the_same_steps() {
    for seed in 0..50 {
        let [first, second] = [0; 2].map(|_| play_seed(&Relays::default(), seed));
        let differs = first.trace.iter().zip(&second.trace).find(|(first, second)| first != second);
        assert_eq!(differs, None, "seed {seed}");
        assert_eq!(first, second, "seed {seed}");
    }
    assert_ne!(play_seed(&Relays::default(), 1).trace, play(&Relays::default(), 1, Plan::calm()).trace);
}

#[test]
fn a_broker_that_turns_the_order_is_found() {
    let broken = Relays { breaks: Breaks::Order, ..Relays::default() };
    assert!(first_to_fail(&broken, 100).is_some());
}

#[test]
fn a_broker_that_loses_messages_is_found() {
    let broken = Relays { breaks: Breaks::Messages, ..Relays::default() };
    assert!(first_to_fail(&broken, 100).is_some());
}

#[test]
fn an_inbox_that_forgets_at_once_is_found() {
    let tamper = "CREATE TRIGGER forgets AFTER INSERT ON inbox BEGIN DELETE FROM inbox; END;";
    let broken = Relays { tamper, ..Relays::default() };
    assert!(first_to_fail(&broken, 100).is_some());
}
