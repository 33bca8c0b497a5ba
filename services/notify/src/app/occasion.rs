//! An event that somebody may hear about.

use jiff::Timestamp;
use masar_bus::{Error as BusError, Event};
use masar_clock::Mark;
use masar_proto::events::v1::{CaseChanged, CaseSnapshot, EscalationRaised, NotifyEffect, effect::Effect};
use masar_proto::{kinds, time};
use uuid::Uuid;

/// What is told before a clock is broken, and from then on.
const WARNED: &str = "warned";
const LATE: &str = "late";

/// An event with its case.
pub(crate) struct Occasion<'a> {
    pub(crate) event: &'a Event,
    pub(crate) case_id: Uuid,
    pub(crate) case: CaseSnapshot,
    pub(crate) what: What,
}

/// What happened.
pub(crate) enum What {
    Changed(Box<CaseChanged>),
    Escalated(Box<EscalationRaised>),
}

impl<'a> Occasion<'a> {
    /// The event, if somebody may hear about it. Cases that were over before they came to us are told to nobody.
    pub(crate) fn read(event: &'a Event) -> Result<Option<Self>, BusError> {
        let (case, what) = match event.kind.as_str() {
            kinds::CASE_OPENED | kinds::CASE_CHANGED => {
                let mut changed = event.decode::<CaseChanged>()?;
                (changed.case.take(), What::Changed(Box::new(changed)))
            }
            kinds::ESCALATION_RAISED | kinds::ESCALATION_ACKNOWLEDGED => {
                let mut raised = event.decode::<EscalationRaised>()?;
                (raised.case.take(), What::Escalated(Box::new(raised)))
            }
            _ => return Ok(None),
        };
        let case = case.ok_or_else(|| event.unreadable("it has no case"))?;
        if case.historical {
            return Ok(None);
        }
        let case_id = case.case_id.parse().map_err(|_| event.unreadable("it names no case"))?;
        Ok(Some(Self { event, case_id, case, what }))
    }

    /// The package of its case: tenant, name and version.
    pub(crate) fn package(&self) -> [&str; 3] {
        [&self.case.tenant, &self.case.package, &self.case.package_version]
    }

    /// When it happened to the case.
    pub(crate) fn at(&self) -> Timestamp {
        let at = match &self.what {
            What::Changed(changed) => changed.at.as_ref(),
            What::Escalated(raised) => raised.at.as_ref(),
        };
        time::from_proto(at).unwrap_or(self.event.time)
    }

    /// The messages that a change of a case asks for.
    pub(crate) fn effects(&self) -> impl Iterator<Item = &NotifyEffect> {
        let effects = match &self.what {
            What::Changed(changed) => changed.effects.as_slice(),
            What::Escalated(_) => &[],
        };
        effects.iter().filter_map(|effect| match &effect.effect {
            Some(Effect::Notify(notify)) => Some(notify),
            _ => None,
        })
    }

    /// A level that fired just now, and the template in which its people hear of it.
    pub(crate) fn raised(&self) -> Option<(&EscalationRaised, &str)> {
        match &self.what {
            What::Escalated(raised) if self.event.kind == kinds::ESCALATION_RAISED => {
                let early = matches!(raised.mark.parse(), Ok(Mark::Share(_)));
                let template = match raised.template.as_str() {
                    "" if early => WARNED,
                    "" => LATE,
                    own => own,
                };
                Some((raised.as_ref(), template))
            }
            _ => None,
        }
    }

    /// True when people are told, so that we need to know them.
    pub(crate) fn tells_people(&self) -> bool {
        self.effects().next().is_some() || self.raised().is_some()
    }
}
