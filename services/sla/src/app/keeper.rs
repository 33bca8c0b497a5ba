//! What everything that changes clocks needs, and what is told once a change is committed.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use masar_bus::Outbox;
use masar_packages::Packages;
use masar_runtime::Clock;
use masar_store::time::from_db;
use tokio::sync::{Notify, broadcast};

use super::session::Changed;
use super::{Alarm, Promises};
use crate::figures::{self, Lateness};
use crate::store::clock;

/// Watchers that fall further behind miss some.
const WATCHED: usize = 1_024;

/// What everything that changes clocks needs.
pub(crate) struct Keeper {
    pub(crate) outbox: Outbox,
    pub(crate) promises: Arc<Promises>,
    pub(crate) clock: Clock,
    /// The packages, which say where something is promised.
    pub(crate) packages: Arc<Packages>,
    pub(crate) timers: Alarm,
    /// Told when an entity may have published a calendar.
    pub(crate) calendars: Notify,
    /// Told when open clocks may have the targets of an agreement.
    pub(crate) agreements: Notify,
    /// Clocks as they change here, with the mark that fired, for those who watch.
    pub(crate) changes: broadcast::Sender<Changed>,
    /// As `changes`, at other replicas.
    pub(crate) elsewhere: broadcast::Sender<Changed>,
    /// How late the last marks fired here.
    pub(crate) lateness: Lateness,
    /// The entities of whom is known that they have timers.
    tenants: Mutex<BTreeSet<String>>,
    /// True where this replica does what one does for all: count how the promises stand, move clocks to a new calendar.
    pub(crate) leads: AtomicBool,
}

impl Keeper {
    /// Tells the timers, the relay and those who watch, after a commit.
    pub(crate) fn tell(&self, changed: Vec<Changed>) {
        self.outbox.wake();
        self.timers.set(changed.iter().filter_map(|(row, _)| row.next_at).min().map(from_db));
        let others = self.others(changed.iter().map(|(row, _)| row));
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner).extend(others);
        figures::decided(&changed);
        for change in changed {
            // Nobody may be watching.
            let _ = self.changes.send(change);
        }
    }

    /// The entities that have timers, of whom that is not known here.
    pub(super) fn others<'a>(&self, changed: impl Iterator<Item = &'a clock::Model>) -> BTreeSet<String> {
        let known = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let others = changed.filter(|row| row.next_at.is_some() && !known.contains(&row.tenant));
        others.map(|row| row.tenant.clone()).collect()
    }

    pub(crate) fn new(
        outbox: Outbox,
        promises: &Arc<Promises>,
        clock: &Clock,
        packages: &Arc<Packages>,
    ) -> Self {
        let (timers, calendars, agreements) = (Alarm::default(), Notify::new(), Notify::new());
        let [changes, elsewhere] = [WATCHED; 2].map(broadcast::Sender::new);
        let (promises, packages) = (Arc::clone(promises), Arc::clone(packages));
        let (clock, lateness) = (clock.clone(), Lateness::default());
        Self {
            outbox,
            promises,
            clock,
            packages,
            timers,
            calendars,
            agreements,
            changes,
            elsewhere,
            lateness,
            tenants: Mutex::default(),
            leads: AtomicBool::new(false),
        }
    }
}
