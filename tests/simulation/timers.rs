//! Two replicas of sla, whole, keep the clocks of some cases while somebody sets the clocks on their walls; a listener hears
//! which marks fire.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;
use jiff::Timestamp;
use masar_bus::{Consumer, Error, Event, Handler};
use masar_proto::common::v1::Importance;
use masar_proto::events::v1::clock_effect::Operation;
use masar_proto::events::v1::{CaseChanged, CaseSnapshot, ClockEffect, ClockMarked, Effect, effect};
use masar_proto::{kinds, time};
use masar_sla::{Deps, NAME};
use masar_store::Transaction;
use masar_workflow::Catalog;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::Value;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::checks::{self, ensure};
use crate::disk::Disk;
use crate::network::{Breaks, Network};
use crate::quiet::wait;
use crate::runner::{Scenario, die_at_every_step, explore, first_to_fail};
use crate::template;
use crate::world::{Boot, Life, World, start};

const TENANT: &str = "DEMO-MUN";
const LISTENER: &str = "listener";
const LINKS: &[(&str, &[&str])] = &[(NAME, &["cases"]), (LISTENER, &[NAME])];
/// Of each clock.
const MARKS: [&str; 3] = ["50%", "75%", "breach"];
/// One on the wall, one in open hours of the calendar.
const TARGETS: [&str; 2] = ["20 minutes", "1 business_hours"];

/// The scenario, and what is broken in it.
#[derive(Default)]
struct Timers {
    /// What the database of sla does besides.
    tamper: &'static str,
    /// There is one replica only: a shorter run.
    alone: bool,
}

impl Scenario for Timers {
    const NAME: &'static str = "timers";
    const SEEDS: u64 = 150;
    const SPEED: i32 = 1_800;
    const JUMPS: bool = true;

    async fn play(&self, world: &World, shape: u64) -> Result<String, String> {
        let network = Network::new(world, LINKS, Breaks::Nothing);
        let (kept, heard) =
            (Disk::new(world, NAME, template::sla()), Disk::new(world, LISTENER, template::bus()));
        kept.change(self.tamper);
        for name in ["sla-1", "sla-2"].into_iter().take(if self.alone { 1 } else { 2 }) {
            world.add(name, sla(kept.clone(), network.clone()));
        }
        world.add(LISTENER, listener(heard.clone(), network.clone()));
        let cases = shape % 3 + 1;
        (1..=cases).for_each(|case| network.tell(opened(case)));
        let clocks = cases * TARGETS.len() as u64;
        world
            .run(|| {
                network.is_empty()
                    && kept.count("outbox") == 0
                    && kept.number("SELECT COUNT(*) FROM clocks WHERE next_at IS NOT NULL") == 0
                    && kept.count("clocks").unsigned_abs() == clocks
            })
            .await?;
        checks::nothing_is_left(&kept)?;
        checks::nothing_is_left(&heard)?;
        checks::one_holder_of_each_epoch(&kept.texts(checks::LOG))?;
        let told = heard.texts(
            "SELECT replace(subject, '-', '') || ' ' || event || ' ' || number FROM handled ORDER BY 1",
        );
        checks::no_two_alike(&told, "a mark was told")?;
        let mut fired = Vec::new();
        for row in
            kept.texts("SELECT lower(hex(case_id)) || ' ' || clock || ' ' || due_at || ledger FROM clocks")
        {
            fired.extend(marks(&row)?);
        }
        let heard: Vec<&str> =
            told.iter().filter_map(|line| line.rsplit_once(' ')).map(|(mark, _)| mark).collect();
        fired.sort_unstable();
        ensure(heard == fired, || format!("fired: {fired:#?}\ntold: {told:#?}"))?;
        // A late one may spare the warnings, but never the breach.
        let breaches: Vec<String> = told.into_iter().filter(|line| line.contains(" breach ")).collect();
        ensure(breaches.len() as u64 == clocks, || format!("breaches: {breaches:#?}"))?;
        Ok(breaches.join("\n"))
    }
}

/// The marks that a clock has fired: each once, and all of them unless one came so late that the breach was known.
fn marks(row: &str) -> Result<Vec<String>, String> {
    let (head, ledger) = row.split_at(row.find('[').unwrap_or(row.len()));
    let entries: Vec<Value> = serde_json::from_str(ledger).map_err(|error| format!("{row}: {error}"))?;
    let [case, clock, due] = head.splitn(3, ' ').collect::<Vec<_>>()[..] else { return Err(row.to_owned()) };
    let time = |text: &str| text.parse::<Timestamp>().map_err(|error| format!("{text}: {error}"));
    let due = time(due)?;
    let (mut fired, mut known_late) = (Vec::new(), false);
    for entry in &entries {
        match entry["mark"].as_str() {
            None => {}
            Some("breach") if fired.len() + 1 < MARKS.len() && !known_late => {
                return Err(format!("a warning was left out: {row}"));
            }
            Some(mark) => fired.push(format!("{case} {clock} {mark}")),
        }
        known_late |= time(entry["at"].as_str().unwrap_or_default())? >= due;
    }
    checks::no_two_alike(&fired, "a mark fired")?;
    Ok(fired)
}

/// A case asks for its clocks.
fn opened(number: u64) -> Event {
    let case_id = Uuid::from_u128(number.into()).to_string();
    let effects = TARGETS.iter().enumerate().map(|(index, target)| {
        let mut clock = ClockEffect {
            clock: format!("clock-{index}"),
            target: (*target).to_owned(),
            marks: MARKS.map(str::to_owned).to_vec(),
            policy: "simulated".to_owned(),
            kind: "target".to_owned(),
            ..ClockEffect::default()
        };
        clock.set_operation(Operation::Start);
        Effect { effect: Some(effect::Effect::Clock(clock)) }
    });
    let changed = CaseChanged {
        case: Some(CaseSnapshot {
            case_id: case_id.clone(),
            tenant: TENANT.to_owned(),
            importance: Importance::High.into(),
            ..CaseSnapshot::default()
        }),
        at: Some(time::to_proto(start())),
        effects: effects.collect(),
        ..CaseChanged::default()
    };
    let event = Event::new(kinds::CASE_OPENED, TENANT, &case_id, start(), &changed);
    Event { source: "cases".to_owned(), ..event }
}

fn sla(disk: Disk, network: Network) -> Boot {
    static CATALOG: OnceLock<Arc<Catalog>> = OnceLock::new();
    Arc::new(move |life| {
        let (disk, network) = (disk.clone(), network.clone());
        Box::pin(async move {
            let store = disk.store(&life);
            let module = loop {
                let deps = Deps {
                    store: store.clone(),
                    transport: network.wire(&life),
                    clock: life.clock.clone(),
                    catalog: Arc::clone(
                        CATALOG.get_or_init(|| Arc::new(Catalog::shipped().expect("packages are shipped"))),
                    ),
                    doors: life.stop.clone(),
                };
                match masar_sla::build(deps).await {
                    Ok((module, _)) => break module,
                    // A database that is busy is asked again, as whoever starts the process would.
                    Err(_) => wait(Duration::from_millis(100)).await,
                }
            };
            let mut workers: JoinSet<_> =
                module.workers.into_iter().map(|worker| (worker.run)(life.stop.clone())).collect();
            while let Some(ended) = workers.join_next().await {
                if !matches!(ended, Ok(Ok(()))) {
                    life.world.wrong(format!("a worker of sla: {ended:?}"));
                }
            }
        })
    })
}

fn listener(disk: Disk, network: Network) -> Boot {
    Arc::new(move |life| {
        let (disk, network) = (disk.clone(), network.clone());
        Box::pin(async move {
            let consumer = Consumer {
                name: LISTENER,
                sources: &[NAME],
                store: disk.store(&life),
                handler: Arc::new(Listens { life: life.clone() }),
                transport: network.wire(&life),
                now: life.clock.teller(),
            };
            if let Err(error) = consumer.run(life.stop.clone()).await {
                life.world.wrong(format!("the listener: {error}"));
            }
        })
    })
}

struct Listens {
    life: Life,
}

#[async_trait]
impl Handler for Listens {
    fn hears(&self, event: &Event) -> bool {
        [kinds::CLOCK_WARNED, kinds::CLOCK_BREACHED, kinds::CLOCK_OVERDUE].contains(&event.kind.as_str())
    }

    async fn handle(&self, tx: &Transaction, events: &[Event]) -> Result<(), Error> {
        for event in events {
            let marked: ClockMarked = event.decode()?;
            let fired = time::from_proto(marked.fired_at.as_ref());
            let due = time::from_proto(marked.mark_at.as_ref());
            let (Some(fired), Some(due), Some(clock)) = (fired, due, marked.clock) else {
                return Err(event.unreadable("it says no times"));
            };
            if fired < due {
                self.life
                    .world
                    .wrong(format!("{} of {} fired at {fired}, before {due}", marked.mark, clock.clock));
            }
            let what = format!("{} {}", clock.clock, marked.mark);
            let values = [event.subject.clone().into(), due.as_millisecond().into(), what.into()];
            let sql = "INSERT INTO handled (subject, number, event) VALUES (?, ?, ?)";
            tx.execute_raw(Statement::from_sql_and_values(DbBackend::Sqlite, sql, values)).await?;
        }
        Ok(())
    }
}

#[test]
fn timers() -> Result<()> {
    explore(&Timers::default())
}

#[test]
fn timers_that_die_at_every_step() -> Result<()> {
    die_at_every_step(&Timers { alone: true, ..Timers::default() }, 0).map(drop)
}

#[test]
fn a_mark_that_is_told_twice_is_found() {
    let tamper = "CREATE TRIGGER twice AFTER INSERT ON outbox WHEN new.kind = 'clock.breached' BEGIN \
        INSERT INTO outbox (partition, event_id, kind, tenant, subject, time, traceparent, data) \
        VALUES (new.partition, randomblob(16), new.kind, new.tenant, new.subject, new.time, new.traceparent, new.data); \
        END;";
    assert!(first_to_fail(&Timers { tamper, ..Timers::default() }, 20).is_some());
}
