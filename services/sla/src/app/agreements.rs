//! Agreements: what the registry says that an entity promises, and what cases have put into force between two parties. Each goes
//! before the targets of packages, and what names both parties before what names a service (CMP-13, SVC-05).

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use masar_clock::Event as ClockEvent;
use masar_domain::Importance;
use masar_proto::events::v1::{AgreementEffect, CaseSnapshot, ClockEffect};
use masar_proto::kinds;
use masar_store::time::from_db;
use masar_workflow::{Bounds, Promise, binding};
use masar_worktime::Target;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::session::importance;
use super::{Error, Session};
use crate::store::{agreement, clock};

/// What an agreement says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Terms {
    /// The kind of its clocks.
    pub(crate) kind: String,
    pub(crate) provider: String,
    pub(crate) consumer: String,
    /// The services and case types that it binds; all without any.
    pub(crate) subjects: BTreeSet<String>,
    /// By clock, and then by the word for an importance.
    pub(crate) targets: BTreeMap<String, BTreeMap<String, String>>,
    /// On which its clocks count; that of their case without a name.
    calendar: String,
    from: Option<Date>,
    until: Option<Date>,
}

/// An agreement that a case has put into force.
#[derive(Debug, Clone)]
pub(crate) struct Agreement {
    pub(crate) case: Uuid,
    pub(crate) reference: String,
    pub(crate) version: i32,
    pub(crate) terms: Terms,
    since: Timestamp,
    pub(crate) ended_at: Option<Timestamp>,
}

/// What goes before the target of a package.
pub(crate) struct Agreed {
    pub(crate) target: Target,
    /// What promises it: `agreement ID version N`.
    pub(crate) policy: String,
    /// The calendar on which it counts; that of the case without a name.
    pub(crate) calendar: String,
}

impl Terms {
    /// What an event says.
    ///
    /// # Errors
    /// Which day is none.
    pub(crate) fn read(said: &AgreementEffect) -> Result<Self, Error> {
        let day = |written: &str| {
            let written = Some(written).filter(|written| !written.is_empty());
            let day = written.map(str::parse).transpose();
            day.map_err(|error: jiff::Error| Error::Text(format!("a day of an agreement: {error}")))
        };
        let mut targets: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for agreed in &said.targets {
            let of_clock = targets.entry(agreed.clock.clone()).or_default();
            of_clock.insert(agreed.importance.clone(), agreed.target.clone());
        }
        Ok(Self {
            kind: said.kind.clone(),
            provider: said.provider.clone(),
            consumer: said.consumer.clone(),
            subjects: said.subjects.iter().cloned().collect(),
            targets,
            calendar: said.calendar.clone(),
            from: day(&said.from)?,
            until: day(&said.until)?,
        })
    }

    /// What it promises for a clock.
    pub(crate) fn target(&self, clock: &str, importance: &str) -> Option<Target> {
        let targets = self.targets.get(clock)?;
        targets.get(importance).or_else(|| targets.get("all"))?.parse().ok()
    }
}

impl Agreement {
    /// As it is kept.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn of(row: agreement::Model) -> Result<Self, serde_json::Error> {
        Ok(Self {
            case: row.case_id,
            terms: serde_json::from_value(row.terms)?,
            reference: row.reference,
            version: row.version,
            since: from_db(row.since),
            ended_at: row.ended_at.map(from_db),
        })
    }

    /// What promises what it says.
    pub(crate) fn policy(&self) -> String {
        format!("agreement {} version {}", self.reference, self.version)
    }

    /// Whom it binds, to what and when.
    fn bounds(&self) -> Bounds<'_> {
        let Terms { kind, provider, consumer, subjects, from, until, .. } = &self.terms;
        let (from, until, since, ended_at) = (*from, *until, self.since, self.ended_at);
        Bounds { kind, provider, consumer, subjects, from, until, since, ended_at }
    }
}

/// What the agreements of an entity say of a clock, with the one that says it.
pub(crate) fn between(
    agreements: &[Agreement],
    promise: &Promise<'_>,
    zone: &TimeZone,
) -> Option<(Uuid, Agreed)> {
    let bounds = agreements.iter().map(|agreement| (agreement.bounds(), agreement));
    let binding = binding(bounds, promise, zone);
    binding.into_iter().find_map(|agreement| {
        let target = agreement.terms.target(promise.clock, promise.importance.as_str())?;
        let calendar = agreement.terms.calendar.clone();
        Some((agreement.case, Agreed { target, policy: agreement.policy(), calendar }))
    })
}

/// A clock of a case that an event asks for, as far as agreements ask.
pub(crate) fn promised<'a>(
    case: &'a CaseSnapshot,
    effect: &'a ClockEffect,
    kind: &'a str,
    at: Timestamp,
) -> Promise<'a> {
    Promise {
        entity: &case.tenant,
        case_type: &case.case_type,
        service: &case.service,
        clock: &effect.clock,
        kind,
        importance: importance(case),
        provider: &effect.provider,
        consumer: &effect.consumer,
        at,
    }
}

impl Session<'_> {
    /// An open clock has the target of an agreement from now on, if that one is the agreement of its parties (SVC-05, T6).
    pub(crate) fn agree(
        &mut self,
        agreement: &Agreement,
        row: &clock::Model,
        (case_type, service): (&str, &str),
        at: Timestamp,
    ) -> Result<(), Error> {
        let promise = Promise {
            entity: &row.tenant,
            case_type,
            service,
            clock: &row.clock,
            kind: &row.kind,
            importance: row.importance.parse().unwrap_or(Importance::Medium),
            provider: &row.provider,
            consumer: &row.consumer,
            at,
        };
        let found = self.keeper.promises.between(&promise).filter(|(case, _)| *case == agreement.case);
        let Some((_, agreed)) = found else { return Ok(()) };
        let Some((target, not_after)) = row.run()?.promised() else { return Ok(()) };
        if target == agreed.target {
            return Ok(());
        }
        let row = clock::Model { policy: agreed.policy.clone(), ..row.clone() };
        let retargeted = ClockEvent::Retargeted { target: agreed.target, not_after, cause: agreed.policy };
        self.add(row, retargeted, at, kinds::CLOCK_RETARGETED)
    }
}
