//! One transaction's work on tasks.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use masar_bus::Event;
use masar_domain::Importance;
use masar_proto::common::v1::Importance as ImportanceCode;
use masar_proto::events::v1::effect::Effect;
use masar_proto::events::v1::{CaseChanged, CaseSnapshot, ClockState, TaskChanged};
use masar_proto::{json, kinds, time};
use masar_store::Transaction;
use masar_store::time::to_db;
use uuid::Uuid;

use super::{Core, Deed, Error, MOST_BOUNCES, Order, Which};
use crate::store::task;

pub(crate) struct Session<'a> {
    core: &'a Core,
    rows: HashMap<Uuid, task::Model>,
    changed: BTreeSet<Uuid>,
    events: Vec<Event>,
}

impl<'a> Session<'a> {
    pub(crate) fn new(core: &'a Core, rows: Vec<task::Model>) -> Self {
        let rows = rows.into_iter().map(|row| (row.case_id, row)).collect();
        Self { core, rows, changed: BTreeSet::new(), events: Vec::new() }
    }

    /// Does what an order says, or says why not; then nothing has changed.
    pub(crate) fn obey(&mut self, order: Order) -> Result<task::Model, Error> {
        let Order { tenant, which, actor, at, deed, span } = order;
        let _within = span.entered();
        let mut task = self.task(&tenant, &which)?;
        let (kind, reason) = match deed {
            Deed::Claim if !task.assignee.is_empty() && task.assignee != actor => {
                return Err(Error::Held(task.assignee));
            }
            Deed::Claim => {
                task.assignee.clone_from(&actor);
                task.claimed_at = Some(to_db(at));
                (kinds::TASK_CLAIMED, String::new())
            }
            Deed::Release { .. } if task.assignee.is_empty() => return Err(Error::NotHeld),
            Deed::Release { reason } => {
                task.assignee.clear();
                task.claimed_at = None;
                (kinds::TASK_RELEASED, reason)
            }
            Deed::Assign { person } => {
                task.assignee = person;
                task.claimed_at = Some(to_db(at));
                (kinds::TASK_ASSIGNED, String::new())
            }
            Deed::Reroute { director: false, .. } if task.bounces >= MOST_BOUNCES => {
                return Err(Error::Bounced(task.bounces));
            }
            Deed::Reroute { queue, .. } if !self.core.knows_queue(&tenant, &queue) => {
                return Err(Error::Queue(queue));
            }
            Deed::Reroute { queue, reason, .. } => {
                task.bounces += 1;
                queued(&mut task, queue, format!("rerouted by {actor}: {reason}"), at);
                (kinds::TASK_REROUTED, reason)
            }
        };
        Ok(self.keep(task, kind, &actor, &reason, at))
    }

    fn task(&self, tenant: &str, which: &Which) -> Result<task::Model, Error> {
        let open = self.rows.values().filter(|task| task.open && task.tenant == tenant);
        match which {
            Which::Case(id) => self.rows.get(id).filter(|task| task.open && task.tenant == tenant).cloned(),
            Which::Next(queue) => open
                .filter(|task| task.queue == *queue && task.assignee.is_empty())
                .min_by_key(|task| (task.urgency, task.case_id))
                .cloned(),
        }
        .ok_or_else(|| match which {
            Which::Case(id) => Error::NotFound(id.to_string()),
            Which::Next(queue) => Error::Empty(queue.clone()),
        })
    }

    /// Follows a case: what it is now, and where it belongs.
    pub(crate) fn follow(&mut self, changed: CaseChanged, at: Timestamp) -> Result<(), Error> {
        let Some(case) = changed.case else { return Ok(()) };
        let id = case.case_id.parse().map_err(|_| Error::NotFound(case.case_id.clone()))?;
        let before = self.rows.remove(&id);
        let mut task = shown(id, case, before, at);
        let mut kind = None;
        for effect in changed.effects.into_iter().filter_map(|effect| effect.effect) {
            match effect {
                Effect::Route(_) => {
                    let routed = self.core.route(&task)?;
                    queued(&mut task, routed.queue, routed.reason, at);
                    kind = Some(kinds::TASK_QUEUED);
                }
                Effect::Assign(assign) => {
                    task.assignee = assign.person;
                    task.claimed_at = Some(to_db(at));
                    task.open = true;
                    kind = Some(kinds::TASK_ASSIGNED);
                }
                Effect::CloseTask(_) => {
                    task.open = false;
                    task.assignee.clear();
                    kind = Some(kinds::TASK_CLOSED);
                }
                Effect::Clock(_)
                | Effect::Notify(_)
                | Effect::Child(_)
                | Effect::Agreement(_)
                | Effect::Schedule(_) => {}
            }
        }
        match kind {
            Some(kind) => {
                let reason = task.reason.clone();
                self.keep(task, kind, &changed.actor, &reason, at);
            }
            None => {
                self.changed.insert(id);
                self.rows.insert(id, task);
            }
        }
        Ok(())
    }

    /// What sla says of the urgent clock of a case.
    pub(crate) fn due(&mut self, case: Uuid, clock: &ClockState) {
        let Some(task) = self.rows.get_mut(&case) else { return };
        task.due_at = time::from_proto(clock.due_at.as_ref()).filter(|_| clock.is_open()).map(to_db);
        task.breached = clock.breached_at.is_some();
        task.rank();
        self.changed.insert(case);
    }

    /// Keeps a task as its next version, which is told and returned.
    fn keep(
        &mut self,
        mut task: task::Model,
        kind: &str,
        actor: &str,
        reason: &str,
        at: Timestamp,
    ) -> task::Model {
        task.version += 1;
        let told = TaskChanged {
            case_id: task.case_id.to_string(),
            tenant: task.tenant.clone(),
            queue: task.queue.clone(),
            assignee: task.assignee.clone(),
            department: task.department.clone(),
            reason: reason.to_owned(),
            actor: actor.to_owned(),
            at: Some(time::to_proto(at)),
            open: task.open,
            bounces: task.bounces.unsigned_abs(),
            version: task.version.unsigned_abs(),
        };
        self.events.push(Event::new(kind, &task.tenant, &task.case_id, at, &told));
        self.changed.insert(task.case_id);
        self.rows.insert(task.case_id, task.clone());
        task
    }

    /// Writes all that changed, in a handful of statements, and says which queues did.
    pub(crate) async fn save(mut self, tx: &Transaction) -> Result<Vec<String>, Error> {
        let changed: Vec<_> = self.changed.iter().filter_map(|id| self.rows.remove(id)).collect();
        let queues = changed.iter().map(|task| task.queue.clone()).collect();
        masar_store::save_all(tx, changed).await?;
        self.core.outbox.put(tx, self.events).await?;
        Ok(queues)
    }
}

fn queued(task: &mut task::Model, queue: String, reason: String, at: Timestamp) {
    (task.queue, task.reason) = (queue, reason);
    task.assignee.clear();
    task.claimed_at = None;
    task.queued_at = to_db(at);
    task.open = true;
    task.rank();
}

/// The task of a case as the case is now.
fn shown(id: Uuid, case: CaseSnapshot, before: Option<task::Model>, at: Timestamp) -> task::Model {
    let importance = ImportanceCode::try_from(case.importance).ok().and_then(ImportanceCode::word);
    let subject = case.subject.unwrap_or_default();
    let mut task = task::Model {
        case_id: id,
        tenant: case.tenant,
        reference: case.reference,
        case_type: case.case_type,
        package: case.package,
        package_version: case.package_version,
        department: case.department,
        state: case.state,
        importance: importance.unwrap_or(Importance::Medium).to_string(),
        service: case.service,
        classification: case.classification,
        subject_ar: subject.ar,
        subject_en: subject.en,
        facts: json::from_struct(case.facts.unwrap_or_default()),
        queue: String::new(),
        assignee: String::new(),
        queued_at: to_db(at),
        claimed_at: None,
        due_at: None,
        breached: false,
        bounces: 0,
        reason: String::new(),
        version: 0,
        open: false,
        urgency: 0,
    };
    match before {
        None => task.rank(),
        Some(before) => {
            task.queue = before.queue;
            task.assignee = before.assignee;
            (task.queued_at, task.claimed_at, task.due_at) =
                (before.queued_at, before.claimed_at, before.due_at);
            (task.breached, task.bounces, task.open) = (before.breached, before.bounces, before.open);
            (task.reason, task.version, task.urgency) = (before.reason, before.version, before.urgency);
        }
    }
    task
}
