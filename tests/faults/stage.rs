//! The set under test: two replicas of each service, each with links of its own to PostgreSQL and RabbitMQ and a clock on
//! the wall that can be moved.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use masar::platform::SERVICES;
use masar_runtime::{Clock, Network};
use masar_testkit::Link;

use crate::load::Callers;
use crate::seen::Readers;
use crate::support::eventually;
use crate::support::process::{Process, Start};
use crate::support::set::Set;

const REPLICAS: usize = 2;

/// A replica of a service.
pub(crate) type Place = (&'static str, usize);

/// The links of one process.
pub(crate) struct Links {
    pub(crate) database: Link,
    pub(crate) broker: Link,
}

pub(crate) struct Stage {
    pub(crate) set: Set,
    pub(crate) links: BTreeMap<Place, Links>,
    /// RabbitMQ without a link between.
    pub(crate) amqp: String,
    folder: PathBuf,
    /// By how much the clocks of all were moved.
    moved: SignedDuration,
}

impl Stage {
    /// Starts the set: of the binary of this commit, or of another one until it is replaced.
    pub(crate) async fn build(
        folder: &Path,
        postgres: &str,
        amqp: &str,
        binary: Option<&Path>,
    ) -> Result<Self> {
        let mut links = BTreeMap::new();
        for place in places() {
            let (database, broker) = (Link::to(postgres).await?, Link::to(amqp).await?);
            links.insert(place, Links { database, broker });
            set_clock(folder, place, SignedDuration::ZERO)?;
        }
        let shim = movable_clock(folder)?;
        let mut prepare = |service, number, start: &mut Start| {
            if let Some(binary) = binary {
                start.binary = binary.to_owned();
            }
            start.log = Some(folder.join(format!("{service}-{number}.log")));
            let clock = clock_file(folder, (service, number)).into_os_string();
            start.environment = vec![("LD_PRELOAD", shim.clone()), ("MASAR_TEST_CLOCK", clock)];
            if let Some(links) = links.get(&(service, number)) {
                start.environment.push(("MASAR_DATABASE", OsString::from(&links.database.url)));
                start.environment.push(("MASAR_AMQP", OsString::from(&links.broker.url)));
            }
        };
        let set = Set::prepared(folder, postgres, amqp, REPLICAS, &mut prepare).await?;
        Ok(Self { set, links, amqp: amqp.to_owned(), folder: folder.to_owned(), moved: SignedDuration::ZERO })
    }

    pub(crate) fn callers(&self) -> Result<Callers> {
        Ok(Callers {
            centre: self.set.asking("system:DEMO-TRF")?,
            triage: self.set.asking("trf-triage-1")?,
            handler: self.set.asking("trf-licence-1")?,
            manager: self.set.asking("trf-licence-manager")?,
            intake: self.set.asking("trf-intake")?,
        })
    }

    pub(crate) fn readers(&self) -> Result<Readers> {
        let admin = SERVICES.iter().map(|service| self.set.asking_at(service, "trf-admin"));
        Ok(Readers {
            triage: self.set.asking("trf-triage-1")?,
            operations: self.set.asking("trf-ops")?,
            admin: admin.collect::<Result<_>>()?,
        })
    }

    pub(crate) fn process(&mut self, (service, number): Place) -> Result<&mut Process> {
        let process = self.set.services.get_mut(service).and_then(|replicas| replicas.get_mut(number));
        process.with_context(|| format!("there is no {service} {number}"))
    }

    /// Starts a replica again that has ended, and waits until it lets callers in.
    pub(crate) async fn raise(&mut self, place: Place) -> Result<()> {
        let process = self.process(place)?;
        process.again()?;
        let address = format!("http://{}", process.address);
        eventually(place.0, async || Ok(Network::reach(&address).await.ok())).await.map(drop)
    }

    /// The time of the services.
    pub(crate) fn now(&self) -> Result<Timestamp> {
        Ok(Clock::wall().now().checked_add(self.moved)?)
    }

    /// Moves the clocks of all, forward or back.
    pub(crate) fn move_clocks(&mut self, by: SignedDuration) -> Result<()> {
        self.moved += by;
        places().try_for_each(|place| set_clock(&self.folder, place, self.moved))
    }

    /// Moves the clock of one replica away from the others'.
    pub(crate) fn skew(&self, place: Place, by: SignedDuration) -> Result<()> {
        set_clock(&self.folder, place, self.moved + by)
    }
}

/// Every replica of every service.
pub(crate) fn places() -> impl Iterator<Item = Place> {
    SERVICES.into_iter().flat_map(|service| (0..REPLICAS).map(move |number| (service, number)))
}

/// How long a fault lasts. That is no wait for anything: the fault is that it lasts.
pub(crate) async fn lasting(time: Duration) {
    tokio::time::sleep(time).await;
}

/// The library that lets a process see another clock on the wall, made where it is needed: the binary under test is the
/// one that is shipped, and knows nothing of it.
fn movable_clock(folder: &Path) -> Result<OsString> {
    let (source, library) = (folder.join("clock.c"), folder.join("clock.so"));
    fs::write(&source, include_str!("clock.c"))?;
    let compiler = env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let mut compile = Command::new(compiler);
    let made = compile.args(["-shared", "-fPIC", "-O1", "-o"]).args([&library, &source]).status();
    ensure!(made.context("there is no C compiler")?.success(), "the movable clock cannot be compiled");
    Ok(library.into())
}

fn clock_file(folder: &Path, (service, number): Place) -> PathBuf {
    folder.join(format!("{service}-{number}.clock"))
}

/// Written in place: the process reads it at every look at the clock.
fn set_clock(folder: &Path, place: Place, moved: SignedDuration) -> Result<()> {
    let mut file =
        File::options().create(true).write(true).truncate(false).open(clock_file(folder, place))?;
    let milliseconds = i64::try_from(moved.as_millis()).context("the clock moves too far")?;
    Ok(file.write_all(&milliseconds.to_ne_bytes())?)
}
