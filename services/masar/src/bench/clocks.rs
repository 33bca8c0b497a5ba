//! Clocks: how fast sla by itself arms, pauses, resumes and fires them while very many others are open, how late they fire,
//! how fairly entities take turns, and how long a new version of a calendar takes to move those that are open.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use jiff::{SignedDuration, Timestamp, ToSpan, tz::TimeZone};
use masar_bus::Event;
use masar_proto::common::v1::Importance;
use masar_proto::events::v1::clock_effect::Operation;
use masar_proto::events::v1::{
    Calendar, CaseChanged, CaseSnapshot, ClockEffect, Effect, RegistryChanged, effect,
};
use masar_proto::{kinds, time};
use masar_store::DatabaseUrl;
use uuid::Uuid;

use super::load::{Latencies, Measured};
use super::replica::{Broken, Replicas};
use super::report::quantile;
use super::{Pace, Report, store};

/// The entity that has seven cases of ten, and three others with one each.
const CROWD: &str = "BENCH-CROWD";
const OTHERS: [&str; 3] = ["BENCH-FEW-1", "BENCH-FEW-2", "BENCH-FEW-3"];
/// The entity that has the first million of the clocks which are open besides, and publishes a calendar.
const STATE: &str = store::STATE;
/// How long the clocks take that are watched, and those that are open besides.
const TARGET: SignedDuration = SignedDuration::from_mins(15);
const LONG: &str = "10 business_days";
/// Clocks that are armed, paused and resumed, at most: more would only take longer.
const CHANGED: u32 = 20_000;
/// Events that are made up at once: so that memory does not grow with the number of clocks.
const AT_ONCE: usize = 10_000;
/// How long nothing is done before clocks are due, and how long after the last of them more are waited for.
const QUIET: Duration = Duration::from_secs(3);
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn run(
    url: &DatabaseUrl,
    pace: Pace,
    (clocks, open): (u32, u32),
    report: &mut Report,
) -> Result<()> {
    // SQLite has one writer.
    let replicas = if matches!(url, DatabaseUrl::Postgres(_)) { 2 } else { 1 };
    let mut bench = Clocks { replicas: Replicas::start(url, replicas).await?, armed: 0.0 };
    report.note("replicas", replicas);
    bench.keep_open(url, open).await?;
    report.note("open", open);
    report.note("clocks", clocks);
    // Here sla also counts for the first time how its promises stand.
    idle(url, pace, report).await?;
    bench.change(clocks.min(CHANGED), report).await?;
    let drained = bench.drain(clocks, report).await?;
    report.result(&drained);
    let (rate, seconds) = if pace.quick { (100, 2) } else { (1_000, 10) };
    let steady = bench.steady(rate, seconds, report).await?;
    report.note("steady_per_second", rate);
    report.note("steady_p50_ms", quantile(&steady, 0.5));
    report.note("steady_p99_ms", quantile(&steady, 0.99));
    bench.publish_calendar(url, report).await?;
    report.note("memory_mib", memory()?);
    bench.replicas.stop().await
}

struct Clocks {
    replicas: Replicas,
    /// Clocks that are armed in a second.
    armed: f64,
}

/// What happens to the clock of a case.
#[derive(Clone, Copy)]
enum Change {
    /// It begins, so that it is due at a time.
    Start(Timestamp),
    Pause(Timestamp),
    Resume(Timestamp),
}

impl Clocks {
    /// Has so many others open besides, due after days.
    async fn keep_open(&mut self, url: &DatabaseUrl, open: u32) -> Result<()> {
        if open == 0 {
            return Ok(());
        }
        Report::say(&format!("writing {open} clocks that are open"));
        let case = Uuid::now_v7();
        let mut effect = effect(Change::Start(Timestamp::now()));
        LONG.clone_into(&mut effect.target);
        effect.marks = vec!["90%".to_owned(), "breach".to_owned()];
        let began = Timestamp::now();
        self.replicas.publish("cases", vec![event(CROWD, case, effect, began)]).await?;
        store::fill(url, &store::PROMISES, case.into(), open).await
    }

    /// Arms clocks, pauses them, and lets them go on.
    async fn change(&mut self, clocks: u32, report: &mut Report) -> Result<()> {
        let cases: Vec<_> = (0..clocks).map(|number| (tenant(number), Uuid::now_v7())).collect();
        let now = Timestamp::now();
        // None of them fires while the bench lasts.
        let later = now + SignedDuration::from_hours(24);
        let changes = [
            ("armed", Change::Start(later)),
            ("paused", Change::Pause(now)),
            ("resumed", Change::Resume(now)),
        ];
        for (what, change) in changes {
            let began = Instant::now();
            self.publish(cases.iter().map(|(tenant, case)| (*tenant, *case, change))).await?;
            let rate = f64::from(clocks) / began.elapsed().as_secs_f64();
            report.per_second(what, rate);
            if what == "armed" {
                self.armed = rate;
            }
        }
        Ok(())
    }

    async fn publish(&self, changes: impl Iterator<Item = (&'static str, Uuid, Change)>) -> Result<()> {
        let mut changes = changes.peekable();
        while changes.peek().is_some() {
            let some = changes.by_ref().take(AT_ONCE);
            let events = some.map(|(tenant, case, change)| event(tenant, case, effect(change), change.at()));
            self.replicas.publish("cases", events.collect()).await?;
        }
        Ok(())
    }

    /// Arms clocks that are due one after the other, or all at once, and hears of each that it was broken: how long after the
    /// first was due, and how late.
    async fn broken(
        &mut self,
        clocks: u32,
        apart: Duration,
        mut heard: impl FnMut(&Broken, Duration, Duration),
    ) -> Result<()> {
        let lead = SignedDuration::from_secs_f64(1.5 * f64::from(clocks) / self.armed)
            + SignedDuration::try_from(2 * QUIET)?;
        let first = Timestamp::from_second((Timestamp::now() + lead).as_second())?;
        Report::say(&format!("arming {clocks} clocks, due in {} s", lead.as_secs()));
        self.publish(
            (0..clocks).map(|number| (tenant(number), Uuid::now_v7(), Change::Start(first + apart * number))),
        )
        .await?;
        ensure!(
            Timestamp::now() + QUIET < first,
            "{clocks} clocks are not armed within {} s",
            lead.as_secs()
        );
        // What a run before has left behind is not of this one.
        while self.replicas.broken.try_recv().is_ok() {}
        for fired in 0..clocks {
            let quiet =
                Duration::try_from(Timestamp::now().duration_until(first)).unwrap_or_default() + PATIENCE;
            let broken = tokio::time::timeout(quiet, self.replicas.broken.recv()).await;
            let broken = broken.with_context(|| format!("{fired} of {clocks} clocks fired"))?;
            let broken = broken.context("sla ended")?;
            ensure!(broken.heard_at >= broken.due_at, "a clock fired before it was due");
            let since = |time| Duration::try_from(broken.heard_at.duration_since(time)).unwrap_or_default();
            heard(&broken, since(first), since(broken.due_at));
        }
        Ok(())
    }

    /// Clocks that are due at one moment: how many fire in a second, how evenly, and how long the entities with few wait.
    async fn drain(&mut self, clocks: u32, report: &mut Report) -> Result<Measured> {
        let (mut latencies, mut last, mut seconds) = (Latencies::new()?, BTreeMap::new(), BTreeMap::new());
        self.broken(clocks, Duration::ZERO, |broken, _, late| {
            latencies.record(0, late);
            let last: &mut Duration = last.entry(broken.tenant.clone()).or_default();
            *last = late.max(*last);
            *seconds.entry(late.as_secs()).or_insert(0_u64) += 1;
        })
        .await?;
        let whole = last.values().max().copied().unwrap_or_default();
        let few = last.iter().filter(|(tenant, _)| **tenant != CROWD).map(|(_, last)| *last).max();
        let measured =
            Measured { offered: None, achieved: f64::from(clocks) / whole.as_secs_f64(), latencies };
        report.step(&format!("{clocks} at once"), &measured)?;
        report.note("at_once_ms", quantile(&measured, 1.0));
        report.note("few_ms", (few.unwrap_or_default().as_secs_f64() * 1e3).round());
        // The last second is not a whole one.
        seconds.pop_last();
        if let Some((least, most)) = seconds.values().min().zip(seconds.values().max()) {
            report.note("least_in_a_second", *least);
            report.note("most_in_a_second", *most);
        }
        Ok(measured)
    }

    /// Clocks that are due one after the other.
    async fn steady(&mut self, rate: u32, seconds: u32, report: &mut Report) -> Result<Measured> {
        let mut latencies = Latencies::new()?;
        self.broken(rate * seconds, Duration::from_secs(1) / rate, |_, since, late| {
            let place = since.saturating_sub(late).as_secs_f64() / f64::from(seconds);
            latencies.record((place * 3.0) as usize, late);
        })
        .await?;
        let measured = Measured::of(Some(f64::from(rate)), latencies, Duration::from_secs(seconds.into()));
        report.step("steady", &measured)?;
        Ok(measured)
    }

    /// An entity publishes a calendar by which its open clocks are due a day later.
    async fn publish_calendar(&mut self, url: &DatabaseUrl, report: &mut Report) -> Result<()> {
        let (name, shipped) = masar_sla::calendars::SHIPPED.first().context("no calendar is shipped")?;
        let off = Timestamp::now().to_zoned_datetime(TimeZone::UTC).date().saturating_add(1.day());
        // The three days hold a working day, whatever today is.
        let to = off.saturating_add(2.days());
        let yaml = shipped.replacen("version: 1", "version: 2", 1)
            + &format!(
                "  - {{label: {{ar: \"عطلة\", en: \"Off\"}}, when: {{dates: {{from: {off}, to: {to}}}}}}}\n"
            );
        let calendar = Calendar { name: (*name).to_owned(), version: 2, yaml, ..Calendar::default() };
        let changed = RegistryChanged {
            tenant: STATE.to_owned(),
            version: 1,
            calendars: vec![calendar],
            ..RegistryChanged::default()
        };
        let clocks = store::behind(url, 2).await?;
        if clocks == 0 {
            return Ok(());
        }
        Report::say(&format!("publishing a calendar for {clocks} clocks"));
        let began = Instant::now();
        let event = Event::new(kinds::REGISTRY_CHANGED, STATE, &STATE, Timestamp::now(), &changed);
        self.replicas.publish("registry", vec![event]).await?;
        store::until_none_behind(url, 2).await?;
        let took = began.elapsed().as_secs_f64();
        report.note("calendar_clocks", clocks);
        report.note("calendar_seconds", (took * 10.0).round() / 10.0);
        report.per_second("moved", clocks as f64 / took);
        Ok(())
    }
}

impl Change {
    fn at(self) -> Timestamp {
        match self {
            Self::Start(due_at) => due_at - TARGET,
            Self::Pause(at) | Self::Resume(at) => at,
        }
    }
}

fn tenant(number: u32) -> &'static str {
    match number % 10 {
        few @ 0..3 => OTHERS[few as usize],
        _ => CROWD,
    }
}

fn effect(change: Change) -> ClockEffect {
    let mut effect = ClockEffect { clock: "response".to_owned(), ..ClockEffect::default() };
    match change {
        Change::Start(_) => {
            effect.set_operation(Operation::Start);
            effect.target = format!("{} minutes", TARGET.as_mins());
            effect.marks = vec!["breach".to_owned()];
            effect.policy = "complaint@1.0.0/response".to_owned();
            effect.kind = "sla".to_owned();
        }
        Change::Pause(_) => {
            effect.set_operation(Operation::Pause);
            effect.reason = "awaiting_customer".to_owned();
        }
        Change::Resume(_) => effect.set_operation(Operation::Resume),
    }
    effect
}

/// What cases says when something happens to the clock of a case.
fn event(tenant: &str, case: Uuid, clock: ClockEffect, at: Timestamp) -> Event {
    let changed = CaseChanged {
        case: Some(CaseSnapshot {
            case_id: case.to_string(),
            tenant: tenant.to_owned(),
            reference: format!("BENCH-{case}"),
            package: "complaint".to_owned(),
            package_version: "1.0.0".to_owned(),
            importance: Importance::Medium.into(),
            department: "BENCH-DESK".to_owned(),
            ..CaseSnapshot::default()
        }),
        at: Some(time::to_proto(at)),
        effects: vec![Effect { effect: Some(effect::Effect::Clock(clock)) }],
        ..CaseChanged::default()
    };
    Event::new(kinds::CASE_CHANGED, tenant, &case, at, &changed)
}

/// What a database does in a second while no clock is due, and nothing else is left to do.
async fn idle(url: &DatabaseUrl, pace: Pace, report: &mut Report) -> Result<()> {
    let span = pace.span().measured;
    // It counts transactions a moment late.
    tokio::time::sleep(QUIET).await;
    let Some(before) = store::transactions(url).await? else { return Ok(()) };
    tokio::time::sleep(span).await;
    let after = store::transactions(url).await?.unwrap_or(before);
    report.note("idle_transactions_per_second", ((after - before) as f64 / span.as_secs_f64()).round());
    Ok(())
}

/// The most memory that this process has had, in MiB.
fn memory() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? / 1_024)
}
