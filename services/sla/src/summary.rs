//! How the promises of an entity stand, once or as they change.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use jiff::{SignedDuration, Timestamp};
use masar_domain::Importance;
use masar_proto::common::v1::Importance as ImportanceCode;
use masar_proto::sla::v1 as api;
use masar_proto::time;
use masar_runtime::refuse;
use masar_store::Store;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tonic::Status;

use crate::app::{Changed, Keeper};
use crate::store::case;
use crate::store::figures::{self, Dimension, Line, Of};

/// Whoever watches hears no more often.
const PACE: Duration = Duration::from_secs(1);
/// Whoever watches hears of what only passes with time, such as an ended promise that is too old to count.
const LOOK: Duration = Duration::from_secs(60);
/// How many days back promises that ended are counted when nobody says.
const DAYS: u32 = 30;
/// At most.
const MOST_DAYS: u32 = 366;

/// What a summary needs.
#[derive(Clone)]
pub(crate) struct Summaries {
    pub(crate) store: Store,
    pub(crate) keeper: Arc<Keeper>,
}

/// What a caller wants counted.
#[derive(Clone)]
pub(crate) struct Wanted {
    tenant: String,
    department: String,
    by: Vec<Dimension>,
    days: u32,
}

impl Wanted {
    /// What a request asks for.
    ///
    /// # Errors
    /// Which dimension or number of days there is not.
    pub(crate) fn read(tenant: String, request: api::GetSummaryRequest) -> Result<Self, Status> {
        let api::GetSummaryRequest { by, department, days } = request;
        let dimension = |name: &String| {
            let found =
                Dimension::ALL.iter().find(|(known, _)| known == name).map(|(_, dimension)| *dimension);
            found.ok_or_else(|| {
                let known = Dimension::ALL.map(|(known, _)| known).join(", ");
                refuse::invalid(vec![("by".to_owned(), format!("`{name}` is none: use {known}"))])
            })
        };
        if days > MOST_DAYS {
            let problem = format!("{days} days are too many: use 1 to {MOST_DAYS}");
            return Err(refuse::invalid(vec![("days".to_owned(), problem)]));
        }
        let mut by = by.iter().map(dimension).collect::<Result<Vec<_>, _>>()?;
        by.sort_unstable();
        by.dedup();
        Ok(Self { tenant, department, by, days: if days == 0 { DAYS } else { days } })
    }
}

impl Summaries {
    /// How the promises stand now.
    pub(crate) async fn get(&self, wanted: &Wanted) -> Result<api::Summary, masar_store::Error> {
        let Wanted { tenant, department, by, days } = wanted;
        let now = self.keeper.clock.now();
        let since =
            now.saturating_sub(SignedDuration::from_hours(24 * i64::from(*days))).unwrap_or(Timestamp::MIN);
        let of = Of { tenant: Some(tenant), department };
        let (standing, ended, next, alone) = tokio::try_join!(
            figures::standing(&self.store, of, by),
            figures::ended(&self.store, of, by, since),
            figures::next_mark(&self.store, tenant),
            case::count_without_clock(&self.store),
        )?;
        let (total, lines) = added(standing.into_iter().chain(ended));
        let waiting = next.map_or(0.0, |next| now.duration_since(next).as_secs_f64().max(0.0));
        let fired = self.keeper.lateness.percentiles();
        let alone: i64 = alone.into_iter().filter(|(of, ..)| of == tenant).map(|(.., cases)| cases).sum();
        Ok(api::Summary {
            at: Some(time::to_proto(now)),
            total: Some(encode(&total)),
            // Without a dimension there is one line, which says what the total says.
            lines: lines.iter().filter(|_| !by.is_empty()).map(encode).collect(),
            without_clock: alone.unsigned_abs(),
            timers: Some(api::TimerLateness {
                waiting_seconds: waiting,
                p50_seconds: fired.p50,
                p99_seconds: fired.p99,
                fired: u32::try_from(fired.fired).unwrap_or(u32::MAX),
            }),
        })
    }

    /// The same at once, and again whenever it has changed.
    pub(crate) fn watch(self, wanted: Wanted) -> impl Stream<Item = Result<api::Summary, Status>> + Send {
        let [here, elsewhere] =
            [&self.keeper.changes, &self.keeper.elsewhere].map(|changes| changes.subscribe());
        let watch = Watch { summaries: self, wanted, here, elsewhere, shown: None };
        futures::stream::unfold(Some(watch), async |watch| {
            let mut watch = watch?;
            match watch.next().await {
                Ok(summary) => Some((Ok(summary?), Some(watch))),
                // Whoever watches begins anew.
                Err(error) => Some((Err(refuse::unavailable(error.to_string())), None)),
            }
        })
    }
}

/// Somebody who watches.
struct Watch {
    summaries: Summaries,
    wanted: Wanted,
    here: Receiver<Changed>,
    elsewhere: Receiver<Changed>,
    shown: Option<api::Summary>,
}

impl Watch {
    /// What is shown next; none when nothing will change any more.
    async fn next(&mut self) -> Result<Option<api::Summary>, masar_store::Error> {
        loop {
            if self.shown.is_some() && !self.changed().await {
                return Ok(None);
            }
            let summary = self.summaries.get(&self.wanted).await?;
            if self.shown.as_ref().is_none_or(|shown| differ(shown, &summary)) {
                self.shown = Some(summary.clone());
                return Ok(Some(summary));
            }
        }
    }

    /// Waits until a clock of the tenant has changed, or long enough. False when nobody will tell any more.
    async fn changed(&mut self) -> bool {
        tokio::time::sleep(PACE).await;
        let until = tokio::time::Instant::now() + LOOK;
        loop {
            let change = tokio::select! {
                biased;
                change = self.here.recv() => change,
                change = self.elsewhere.recv() => change,
                () = tokio::time::sleep_until(until) => return true,
            };
            match change {
                Ok((row, _)) if row.tenant != self.wanted.tenant => {}
                Ok(_) | Err(RecvError::Lagged(_)) => return true,
                Err(RecvError::Closed) => return false,
            }
        }
    }
}

/// True when two summaries say something else than the time, and how late the timers are.
fn differ(one: &api::Summary, other: &api::Summary) -> bool {
    let figures = |summary: &api::Summary| api::Summary { at: None, timers: None, ..summary.clone() };
    figures(one) != figures(other)
}

/// Lines of the same values added up, the most breached first, and their total.
fn added(lines: impl Iterator<Item = Line>) -> (Line, Vec<Line>) {
    let (mut total, mut by_key) = (Line::default(), BTreeMap::new());
    for line in lines {
        total.add(&line);
        let key = line.key().map(str::to_owned);
        match by_key.get_mut(&key) {
            None => {
                by_key.insert(key, line);
            }
            Some(known) => known.add(&line),
        }
    }
    let mut lines: Vec<_> = by_key.into_values().collect();
    // A stable order: those with as many stand by their values.
    lines.sort_by_key(|line| std::cmp::Reverse((line.breached, line.at_risk, line.open)));
    (total, lines)
}

fn encode(line: &Line) -> api::SummaryLine {
    let count = |count: i64| count.unsigned_abs();
    let importance = line.importance.parse::<Importance>().map(ImportanceCode::from).unwrap_or_default();
    let ended = line.kept + line.broken;
    #[allow(clippy::cast_precision_loss, reason = "a share of fewer promises than a float can count")]
    let kept_share = (ended > 0).then(|| line.kept as f64 / ended as f64);
    api::SummaryLine {
        department: line.department.clone(),
        service: line.service.clone(),
        importance: importance.into(),
        stage: line.stage.clone(),
        clock: line.clock.clone(),
        open: count(line.open),
        at_risk: count(line.at_risk),
        breached: count(line.breached),
        kept: count(line.kept),
        broken: count(line.broken),
        kept_share,
    }
}
