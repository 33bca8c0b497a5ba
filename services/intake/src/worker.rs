//! The schedules: one replica looks at them when their time comes, and opens the cases that follow (E21).

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use masar_bus::{Outbox, all_kept, kept};
use masar_proto::events::v1::RegistryChanged;
use masar_runtime::Clock;
use masar_store::{Lease, Leases, Listener, Store, Transaction, listen};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::app::{Agenda, Error, Gate, Looked, Submission, accept};
use crate::store::{schedule, submission};

/// Under what replicas tell each other that an entity wants other schedules.
pub(crate) const ENTITIES: &str = "masar_intake_entities";
/// Schedules that one transaction looks at.
const MOST: u64 = 100;
/// How often it is looked at all, even when nothing was said.
const LOOK: Duration = Duration::from_secs(1);
/// How often what entities want is compared with what there is, even when nothing was said: a package may have been published.
const COMPARED: Duration = Duration::from_secs(30);
/// How long to wait after a failure.
const PAUSE: Duration = Duration::from_secs(1);

/// Rung when an entity or a package has changed, or a case wants a schedule.
#[derive(Default)]
pub(crate) struct Bell(Notify);

impl Bell {
    pub(crate) fn ring(&self) {
        self.0.notify_one();
    }
}

#[async_trait]
impl Listener for Bell {
    type Error = Infallible;

    async fn heard(&self, _: Option<String>) -> Result<(), Infallible> {
        self.ring();
        Ok(())
    }
}

/// Opens the cases that begin by themselves.
pub(crate) struct Schedules {
    pub(crate) store: Store,
    pub(crate) agenda: Agenda,
    pub(crate) outbox: Outbox,
    pub(crate) gate: Arc<Gate>,
    pub(crate) clock: Clock,
    pub(crate) bell: Arc<Bell>,
}

impl Schedules {
    /// Works until it is told to stop.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut leases = Leases::new(self.store.clone(), "schedules", 1);
        let work = async {
            let mut compared = None;
            loop {
                if let Err(error) = self.turn(&mut leases, &mut compared).await {
                    tracing::error!(%error, "schedules could not be looked at; tried again");
                    compared = None;
                    tokio::time::sleep(PAUSE).await;
                }
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = work => {}
            () = listen(&self.store, ENTITIES, &*self.bell) => {}
        }
        if let Err(error) = leases.leave().await {
            tracing::warn!(%error, "the schedules of this replica wait until it counts as gone");
        }
    }

    /// Looks at what is due, and waits until something is, or somebody has said something.
    async fn turn(&self, leases: &mut Leases, compared: &mut Option<Instant>) -> Result<(), Error> {
        let held = leases.turn().await?;
        let Some(lease) = held.first() else {
            *compared = None;
            tokio::time::sleep(LOOK).await;
            return Ok(());
        };
        if compared.is_none_or(|compared| compared.elapsed() >= COMPARED) {
            self.compare(lease, compared.is_none()).await?;
            *compared = Some(Instant::now());
        }
        if self.look(lease).await? {
            return Ok(());
        }
        let next = schedule::next(&self.store).await?;
        let comes = async {
            match next {
                Some(at) => self.clock.sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.bell.0.notified() => *compared = None,
            () = comes => {}
            () = tokio::time::sleep(LOOK) => {}
        }
        Ok(())
    }

    /// Makes the schedules on days of the calendar those that entities want; what was in the way is tried `again`.
    async fn compare(&self, lease: &Lease, again: bool) -> Result<(), Error> {
        let now = self.clock.now();
        let tx = self.store.begin().await?;
        lease.check(&tx).await?;
        let entities: Vec<RegistryChanged> = all_kept(&tx, None).await?;
        let there = schedule::on_days(&tx).await?;
        let there: BTreeMap<_, _> = there.into_iter().map(|row| (row.origin.clone(), row)).collect();
        let wanted = |entity| self.agenda.wanted(entity, |origin| there.get(origin).cloned(), again, now);
        let wanted: Vec<_> = entities.iter().flat_map(wanted).collect();
        let origins: BTreeSet<_> = wanted.iter().map(|row| row.origin.clone()).collect();
        let gone = there.keys().filter(|origin| !origins.contains(*origin)).cloned().collect();
        schedule::end(&tx, gone).await?;
        // What stays hindered is told a day later again, and not whenever somebody compares.
        let changed = |row: &schedule::Model| {
            let same = |there: &schedule::Model| {
                *there == *row || (!row.problem.is_empty() && there.problem == row.problem)
            };
            !there.get(&row.origin).is_some_and(same)
        };
        schedule::save(&tx, wanted.into_iter().filter(changed).collect()).await?;
        tx.commit().await.map_err(masar_store::Error::from)?;
        Ok(())
    }

    /// Looks at some that are due. True when there were any.
    async fn look(&self, lease: &Lease) -> Result<bool, Error> {
        let now = self.clock.now();
        if schedule::next(&self.store).await?.is_none_or(|next| next > now) {
            return Ok(false);
        }
        let tx = self.store.begin().await?;
        lease.check(&tx).await?;
        let rows = schedule::due(&tx, now, MOST).await?;
        let tenants = rows.iter().map(|row| row.tenant.as_str()).collect();
        let entities = kept::<RegistryChanged>(&tx, tenants).await?;
        let (mut submissions, mut left, mut over) = (Vec::new(), Vec::new(), Vec::new());
        for row in rows {
            let (entity, origin) = (entities.get(&row.tenant), row.origin.clone());
            let looked = tracing::info_span!("schedule", schedule = row.schedule)
                .in_scope(|| self.agenda.look(row, entity, now));
            let Looked { submissions: more, row } = looked;
            submissions.extend(more);
            match row {
                Some(row) => left.push(row),
                None => over.push(origin),
            }
        }
        let any = !left.is_empty() || !over.is_empty();
        let accepted = accept(&tx, &self.outbox, new(&tx, submissions).await?).await?.len();
        schedule::save(&tx, left).await?;
        schedule::end(&tx, over).await?;
        tx.commit().await.map_err(masar_store::Error::from)?;
        self.gate.accepted(accepted);
        self.outbox.wake();
        Ok(any)
    }
}

/// The submissions of which none was accepted before.
async fn new(tx: &Transaction, submissions: Vec<Submission>) -> Result<Vec<Submission>, Error> {
    let known = submission::with_keys(tx, submissions.iter().map(Submission::key)).await?;
    let known: BTreeSet<_> = known.into_iter().map(|row| row.dedup_key).collect();
    Ok(submissions.into_iter().filter(|submission| !known.contains(submission.key())).collect())
}
