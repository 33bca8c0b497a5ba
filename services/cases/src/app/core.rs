//! One transaction's work on cases: rows in, deeds decided by the pure core, rows and events out.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use masar_bus::{Event, Outbox};
use masar_domain::StateCategory;
use masar_packages::{Entities, Packages};
use masar_proto::{
    events::v1::{CaseCommented, CaseLinked, CaseSubmitted, ChildChanged},
    json, kinds, time,
};
use masar_store::time::{from_db, to_db};
use masar_store::{Transaction, insert_all, save_all};
use masar_workflow::{
    Actor, Case, CaseEvent, Change, ClockEffect, ClockOperation, Command, Effect, Package, RECURRENCE,
    Situation, decide, evolve,
};
use tokio::sync::broadcast;
use tracing::Span;
use uuid::Uuid;

use super::concealed::lodged;
use super::links::Named;
use super::recurrence::Counts;
use super::{Deed, Error, Order, package};
use crate::encode;
use crate::store::{case, concealed, entry, fold, link};

/// Watchers that fall further behind read the case anew.
const WATCHED: usize = 1_024;
/// The kind of the entry that says who read a concealed link.
pub(crate) const READING: &str = "reading";
/// What a child is to the case that asked for it.
const CHILD: &str = "child";

/// What every writer of cases needs.
#[derive(Clone)]
pub(crate) struct Core {
    pub(crate) outbox: Outbox,
    pub(crate) packages: Arc<Packages>,
    pub(crate) entities: Arc<Entities>,
    pub(crate) changes: broadcast::Sender<Uuid>,
}

impl Core {
    pub(crate) fn new(outbox: Outbox, packages: Arc<Packages>, entities: Arc<Entities>) -> Self {
        Self { outbox, packages, entities, changes: broadcast::Sender::new(WATCHED) }
    }

    /// Tells the relay and those who watch what a commit has changed.
    pub(crate) fn tell(&self, changed: impl Iterator<Item = Uuid>) {
        self.outbox.wake();
        if self.changes.receiver_count() == 0 {
            return;
        }
        for id in changed {
            // Nobody may be watching.
            let _ = self.changes.send(id);
        }
    }
}

/// The cases that a transaction works on.
#[derive(Default)]
pub(crate) struct Touched {
    /// Those that are there.
    pub(crate) cases: BTreeSet<Uuid>,
    /// Of these, those that may move.
    pub(crate) moving: BTreeSet<Uuid>,
    /// Those that are opened.
    pub(crate) opening: BTreeSet<Uuid>,
}

/// The case at the other end of a link.
pub(super) struct Other {
    id: Uuid,
    reference: String,
    tenant: String,
}

impl Other {
    pub(super) fn of(row: &case::Model) -> Self {
        Self { id: row.id, reference: row.reference.clone(), tenant: row.tenant.clone() }
    }
}

/// The cases of one transaction, and what became of them.
pub(crate) struct Session<'a> {
    core: &'a Core,
    rows: HashMap<Uuid, case::Model>,
    /// The links of concealed children among the cases, by their ids. Those that lodged them are among the cases too.
    pub(super) above: HashMap<Uuid, concealed::Model>,
    /// Those of the cases that may move, as the pure core knows them.
    folds: HashMap<Uuid, Case>,
    changed: BTreeSet<Uuid>,
    moved: BTreeSet<Uuid>,
    entries: Vec<entry::Model>,
    links: Vec<link::Model>,
    lodged: Vec<concealed::Model>,
    events: Vec<Event>,
    counts: Counts,
    named: Named,
}

impl<'a> Session<'a> {
    /// Locks cases for a transaction's work; those that may move are read whole.
    pub(crate) async fn begin(core: &'a Core, tx: &Transaction, touched: Touched) -> Result<Self, Error> {
        let Touched { mut cases, mut moving, opening } = touched;
        // What becomes of a concealed child is known to the case that lodged it in the same transaction: no event may tell.
        let above = concealed::above(tx, moving.union(&opening).copied().collect()).await?;
        for link in above.values() {
            cases.insert(link.case_id);
            moving.insert(link.case_id);
        }
        // Locked before they are read whole: nobody moves them in between.
        let rows = case::lock(tx, cases).await?;
        core.packages.know(tx, rows.values().map(case::Model::walks)).await?;
        Ok(Self {
            core,
            rows,
            above,
            folds: fold::read(tx, moving).await?,
            changed: BTreeSet::new(),
            moved: BTreeSet::new(),
            entries: Vec::new(),
            links: Vec::new(),
            lodged: Vec::new(),
            events: Vec::new(),
            counts: Counts::default(),
            named: Named::default(),
        })
    }

    /// Counts what may come again with cases that are opened, each with the time at which it was received, and with commands on
    /// cases of this session; and looks for the cases that these name. What the system does by itself fills in no form, and so names
    /// neither a matter nor a case.
    pub(crate) async fn foresee<'b>(
        mut self,
        tx: &Transaction,
        openings: impl Iterator<Item = (&'b CaseSubmitted, jiff::Timestamp)>,
        commands: impl Iterator<Item = (Uuid, &'b Command)>,
    ) -> Result<Self, Error> {
        for (submitted, at) in openings {
            let catalog = self.core.packages.of(&submitted.tenant);
            let package = catalog.get(&submitted.package, &submitted.package_version);
            let Some(package) = package.filter(|package| !package.definition().recurrence.is_empty()) else {
                continue;
            };
            let form = json::from_struct(submitted.form.clone().unwrap_or_default());
            self.counts.ask(&submitted.tenant, package, package.matters_of_opening(&form), at);
        }
        for (id, command) in commands {
            let Some((row, case)) = self.known(id) else { continue };
            let package = package(&self.core.packages, row)?;
            let (tenant, at) = (row.tenant.clone(), from_db(row.received_at));
            let matters = package.matters_of_command(case, command);
            self.counts.ask(&tenant, &package, matters, at);
            self.named.ask(&tenant, &package, command);
        }
        self.counts.count(tx).await?;
        self.named.find(tx).await?;
        Ok(self)
    }

    /// An event of a case with what follows from how often the same has happened.
    pub(crate) fn recurring(
        &mut self,
        row: &case::Model,
        package: &Package,
        before: Option<&Case>,
        event: CaseEvent,
    ) -> CaseEvent {
        self.counts.follow(row, package, before, event)
    }

    /// Changes the row of a case of this session. One that stays as it was is neither written nor shown anew.
    pub(crate) fn change(&mut self, id: Uuid, change: impl FnOnce(&mut case::Model)) {
        let Some(row) = self.rows.get_mut(&id) else { return };
        let before = row.clone();
        change(row);
        if *row != before {
            self.changed.insert(id);
        }
    }

    /// Takes over what a child of a case is now, and says what the system tries then.
    pub(crate) fn know(&mut self, id: Uuid, changed: ChildChanged) -> Result<Vec<String>, Error> {
        let Some(row) = self.rows.get_mut(&id) else { return Ok(Vec::new()) };
        let Ok(child) = changed.child_case_id.parse() else { return Ok(Vec::new()) };
        if !row.know(child, encode::known(changed))? {
            return Ok(Vec::new());
        }
        self.changed.insert(id);
        Ok(package(&self.core.packages, row)?.definition().on_child.clone())
    }

    /// Takes a new case in with its first event.
    pub(crate) fn opened(&mut self, row: case::Model, event: &CaseEvent) -> Result<&Case, Error> {
        let id = row.id;
        self.rows.insert(id, row);
        self.apply(id, event, kinds::CASE_OPENED)
    }

    /// A case of this session that may move.
    pub(crate) fn known(&self, id: Uuid) -> Option<(&case::Model, &Case)> {
        Some((self.rows.get(&id)?, self.folds.get(&id)?))
    }

    /// Takes in what follows for a case of this session.
    pub(crate) fn follow(&mut self, event: &CaseEvent) -> Result<(), Error> {
        self.apply(event.case_id.0, event, kinds::CASE_CHANGED).map(drop)
    }

    /// Links a child to the case that asked for it, and that case to its child.
    pub(crate) fn link_child(
        &mut self,
        child: Uuid,
        parent: Uuid,
        link: &str,
        actor: &str,
        at: jiff::Timestamp,
    ) {
        let end = |id| self.rows.get(&id).map(Other::of);
        let Some((of_child, of_parent)) = end(child).zip(end(parent)) else { return };
        self.link(child, of_parent, link.to_owned(), actor, at);
        self.link(parent, of_child, CHILD.to_owned(), actor, at);
    }

    /// The system does something to a case. Where the case has moved on meanwhile, there is nothing left to do.
    pub(crate) fn act(&mut self, id: Uuid, action: String, at: jiff::Timestamp) -> Result<(), Error> {
        let tenant = self.rows.get(&id).map(|row| row.tenant.clone()).unwrap_or_default();
        let deed = Deed::Move(Command { action, ..Command::default() });
        let (actor, span) = (Actor::system(), Span::current());
        match self.obey(Order { tenant, case: id, submitter: None, actor, at, deed, span }) {
            Err(Error::Refused(refusal)) => {
                tracing::info!(case = %id, %refusal, "there is nothing for the system to do");
                Ok(())
            }
            done => done.map(drop),
        }
    }

    /// Does what an order says, or says why not; then nothing of the case has changed.
    pub(crate) fn obey(&mut self, order: Order) -> Result<case::Model, Error> {
        let Order { tenant, case: id, submitter, actor, at, deed, span } = order;
        let _within = span.entered();
        let unknown = || Error::NotFound(id.to_string());
        let may_see = |row: &&case::Model| {
            row.tenant == tenant && submitter.as_ref().is_none_or(|submitter| *submitter == row.submitted_by)
        };
        let row = self.rows.get(&id).filter(may_see).ok_or_else(unknown)?;
        match deed {
            Deed::Move(command) => {
                let case = self.folds.get(&id).ok_or_else(unknown)?;
                let (windows, children) = (row.windows()?, row.children()?);
                let situation = Situation { at, windows: &windows, children: &children };
                let package = package(&self.core.packages, row)?;
                let event = decide(&package, case, &command, &actor, situation)?;
                self.core.entities.refuse(&self.core.packages, &tenant, &event)?;
                let asked = (&*package, &command);
                let links = self.named.links(row, submitter.as_deref(), asked, &event.effects)?;
                let event = self.counts.follow(row, &package, Some(case), event);
                self.follow(&event)?;
                for (link, other) in links {
                    self.link(id, other, link, &actor.id, at);
                }
            }
            Deed::Comment { text, audience } => {
                self.note(id, "comment", at, &actor.id, audience, text);
                let comment = CaseCommented {
                    case_id: id.to_string(),
                    tenant: tenant.clone(),
                    author: actor.id,
                    at: Some(time::to_proto(at)),
                };
                self.events.push(Event::new(kinds::CASE_COMMENTED, &tenant, &id, at, &comment));
            }
            Deed::Link { other, other_reference, link } => {
                self.link(id, Other { id: other, reference: other_reference, tenant }, link, &actor.id, at);
            }
            Deed::Read { link, reference } => self.note(id, READING, at, &actor.id, link, reference),
        }
        self.rows.get(&id).cloned().ok_or_else(unknown)
    }

    fn link(&mut self, id: Uuid, other: Other, link: String, actor: &str, at: jiff::Timestamp) {
        self.note(id, "link", at, actor, link.clone(), other.reference.clone());
        let Some(row) = self.rows.get(&id) else { return };
        let Other { id: other, reference: other_reference, tenant } = other;
        let other_tenant = if tenant == row.tenant { String::new() } else { tenant };
        let (of, to) = (link.clone(), other_tenant.clone());
        self.links.push(link::Model {
            case_id: id,
            link: of,
            other_id: other,
            other_reference,
            other_tenant: to,
        });
        let linked = CaseLinked {
            case_id: id.to_string(),
            tenant: row.tenant.clone(),
            other_case_id: other.to_string(),
            other_tenant,
            link,
            actor: actor.to_owned(),
            at: Some(time::to_proto(at)),
        };
        self.events.push(Event::new(kinds::CASE_LINKED, &row.tenant, &id, at, &linked));
    }

    fn apply(&mut self, id: Uuid, event: &CaseEvent, kind: &str) -> Result<&Case, Error> {
        let row = self.rows.get_mut(&id).ok_or_else(|| Error::NotFound(id.to_string()))?;
        let before = self.folds.remove(&id);
        let from = before.as_ref().map(|case| case.state.clone()).unwrap_or_default();
        let case = self.folds.entry(id).insert_entry(evolve(before, event)).into_mut();
        row.version = event.version.cast_signed();
        row.entries += 1;
        row.state.clone_from(&case.state);
        if let Change::Migrated { to, .. } = &event.change {
            row.package_version.clone_from(to);
        }
        row.category = case.category.to_string();
        row.importance = case.importance().to_string();
        let fact = |name| case.fact(name).unwrap_or_default().to_owned();
        (row.department, row.service) = (fact("department"), fact("service"));
        row.classification = fact("classification");
        row.recurrence = case.fact(RECURRENCE).and_then(|number| number.parse().ok()).unwrap_or_default();
        let closed = case.category == StateCategory::Closed;
        row.closed_at = closed.then(|| row.closed_at.unwrap_or_else(|| to_db(event.at)));
        // Until sla says when a clock that starts afresh is due, it sets no limit.
        for effect in &event.effects {
            if let Effect::Clock(ClockEffect { clock, operation: ClockOperation::Start { .. }, .. }) = effect
                && let Some(windows) = row.windows.as_object_mut()
            {
                windows.remove(clock);
            }
        }
        self.entries.push(entry::Model {
            case_id: id,
            number: row.entries,
            kind: "transition".to_owned(),
            at: to_db(event.at),
            actor: event.actor.clone(),
            action: event.action.clone(),
            from_state: from.clone(),
            to_state: event.to.0.clone(),
            text: event.reason.clone().unwrap_or_default(),
            event: Some(serde_json::to_string(event)?),
        });
        let concealed = event.concealed().next().is_some();
        if let Some(parent) = row.parent.filter(|_| !concealed) {
            let told = encode::child(row, case, &parent, event.at);
            self.events.push(Event::new(kinds::CASE_CHILD_CHANGED, &told.tenant, &parent, event.at, &told));
        }
        if concealed {
            for (link, told) in lodged(row, event) {
                self.lodged.push(link);
                self.events.push(told);
            }
        } else {
            let message = encode::changed(row, case, event, from);
            self.events.push(Event::new(kind, &row.tenant, &id, event.at, &message));
        }
        self.changed.insert(id);
        self.moved.insert(id);
        self.tell_above(id, event.at);
        self.folds.get(&id).ok_or_else(|| Error::NotFound(id.to_string()))
    }

    fn note(&mut self, id: Uuid, kind: &str, at: jiff::Timestamp, actor: &str, action: String, text: String) {
        let Some(row) = self.rows.get_mut(&id) else { return };
        self.changed.insert(id);
        row.entries += 1;
        let (number, state) = (row.entries, row.state.clone());
        self.entries.push(entry::Model {
            case_id: id,
            number,
            kind: kind.to_owned(),
            at: to_db(at),
            actor: actor.to_owned(),
            action,
            from_state: state.clone(),
            to_state: state,
            text,
            event: None,
        });
    }

    /// Writes all that changed, in a handful of statements, and says which cases did.
    pub(crate) async fn save(self, tx: &Transaction) -> Result<BTreeSet<Uuid>, Error> {
        let Self { core, mut rows, folds, changed, moved, entries, links, lodged, events, counts, .. } = self;
        counts.save(tx).await?;
        save_all(tx, changed.iter().filter_map(|id| rows.remove(id)).collect()).await?;
        save_all(tx, fold::rows(moved.iter().filter_map(|id| folds.get(id)))?).await?;
        insert_all(tx, entries).await?;
        link::add(tx, links).await?;
        insert_all(tx, lodged).await?;
        core.outbox.put(tx, events).await?;
        Ok(changed)
    }
}
