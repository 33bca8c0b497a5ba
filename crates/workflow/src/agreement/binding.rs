//! Which agreements bind a clock when it is promised, and which of them goes first (SVC-05).
//!
//! Whoever keeps agreements asks this, and so do the scenarios that are played under some.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use masar_domain::Importance;

/// A clock that is promised, as far as agreements ask.
#[derive(Debug, Clone, Copy)]
pub struct Promise<'a> {
    /// Code of the entity whose case it is.
    pub entity: &'a str,
    /// The type of the case.
    pub case_type: &'a str,
    /// The service of the case; empty without one.
    pub service: &'a str,
    /// Code of the clock.
    pub clock: &'a str,
    /// Whose promise it is: the word of a [`crate::ClockKind`].
    pub kind: &'a str,
    /// The importance of the case.
    pub importance: Importance,
    /// Who promises; empty where the package or the case names nobody.
    pub provider: &'a str,
    /// Whom it is promised; empty where the package or the case names nobody.
    pub consumer: &'a str,
    /// When it is promised.
    pub at: Timestamp,
}

/// Whom an agreement binds, to what, and when.
#[derive(Debug, Clone, Copy)]
pub struct Bounds<'a> {
    /// The kind of its clocks: the word of a [`crate::ClockKind`].
    pub kind: &'a str,
    /// Who promises: an entity, which stands for all its departments, a department or a provider.
    pub provider: &'a str,
    /// Whom it is promised, in the same words.
    pub consumer: &'a str,
    /// The services or case types that it binds; all without any.
    pub subjects: &'a BTreeSet<String>,
    /// The first day on which clocks may start under it.
    pub from: Option<Date>,
    /// The last such day.
    pub until: Option<Date>,
    /// When it came into force.
    pub since: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

impl Bounds<'_> {
    /// True when it speaks of a clock that is promised at a time when it is in force.
    fn binds(&self, promise: &Promise<'_>, zone: &TimeZone) -> bool {
        let day = zone.to_datetime(promise.at).date();
        let in_force = self.since <= promise.at && self.ended_at.is_none_or(|end| promise.at < end);
        let within = self.from.is_none_or(|from| from <= day) && self.until.is_none_or(|until| day <= until);
        let subject = self.subjects.is_empty()
            || [promise.case_type, promise.service].iter().any(|word| self.subjects.contains(*word));
        in_force && within && subject && self.kind == promise.kind && self.is_between(promise)
    }

    /// True when both parties are those of the clock; the entity itself stands for all its departments.
    fn is_between(&self, promise: &Promise<'_>) -> bool {
        let is =
            |agreed: &str, party: &str| !party.is_empty() && (agreed == party || agreed == promise.entity);
        is(self.provider, promise.provider) && is(self.consumer, promise.consumer)
    }

    /// Of several, the one that names departments goes first, and then the newest.
    fn rank(&self, promise: &Promise<'_>) -> (usize, Reverse<Timestamp>) {
        let parties = [(self.provider, promise.provider), (self.consumer, promise.consumer)];
        (parties.iter().filter(|(agreed, party)| agreed != party).count(), Reverse(self.since))
    }
}

/// The agreements that bind a promise, the one that goes first at the head; days are those of a time zone.
pub fn binding<'a, T>(
    agreements: impl IntoIterator<Item = (Bounds<'a>, T)>,
    promise: &Promise<'_>,
    zone: &TimeZone,
) -> Vec<T> {
    let binds = agreements.into_iter().filter(|(bounds, _)| bounds.binds(promise, zone));
    let mut binding: Vec<_> = binds.collect();
    binding.sort_by_key(|(bounds, _)| bounds.rank(promise));
    binding.into_iter().map(|(_, agreement)| agreement).collect()
}
