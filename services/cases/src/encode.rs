//! Cases as the contracts and the events show them.

use jiff::Timestamp;
use masar_domain::{BiText, Importance, StateCategory};
use masar_proto::cases::v1 as api;
use masar_proto::common::v1 as common;
use masar_proto::events::v1::{
    self as events, CaseChanged, CaseSnapshot, ChildChanged, ClockEffect, Effect, clock_effect::Operation,
    effect, schedule_effect::Operation as Scheduled,
};
use masar_proto::{json, time};
use masar_store::time::from_db;
use masar_workflow::{
    AgreedTarget, Agreement, Case, CaseEvent, Child, ClockOperation, Effect as Asked, Missed, OpenClocks,
    Package, Parties, ScheduleOperation, Shown, Standing, Tally,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::store::{Count, case, entry, link};

/// A case for those who read it.
pub(crate) fn case(row: &case::Model, package: Option<&Package>) -> api::Case {
    let at = |at| Some(time::to_proto(from_db(at)));
    let label = package.and_then(|package| package.definition().states.get(&row.state));
    api::Case {
        case_id: row.id.to_string(),
        reference: row.reference.clone(),
        case_type: row.case_type.clone(),
        package: row.package.clone(),
        package_version: row.package_version.clone(),
        version: row.version.unsigned_abs(),
        state: row.state.clone(),
        state_label: label.map(|state| state.label.clone().into()),
        category: category(row).into(),
        importance: importance(row).into(),
        department: row.department.clone(),
        service: row.service.clone(),
        classification: row.classification.clone(),
        channel: row.channel.clone(),
        language: row.language.clone(),
        subject: Some(subject(row)),
        queue: row.queue.clone(),
        assignee: row.assignee.clone(),
        due_at: row.due_at.and_then(at),
        breached: row.breached,
        received_at: at(row.received_at),
        opened_at: at(row.opened_at),
        closed_at: row.closed_at.and_then(at),
        forms: None,
        links: Vec::new(),
        source_system: row.source_system.clone(),
        external_ref: row.external_ref.clone(),
        historical: row.historical,
        quotas: Vec::new(),
        recurrence: row.recurrence.unsigned_abs(),
        inward: false,
    }
}

/// What links a case to others, with what it knows of those of them that are its children.
pub(crate) fn links(row: &case::Model, links: Vec<link::Model>) -> serde_json::Result<Vec<api::CaseLink>> {
    let mut known = row.known()?;
    let link = |link: link::Model| {
        let child = known.remove(&link.other_id).map(|known| known.child);
        let link = api::CaseLink {
            link: link.link,
            case_id: link.other_id.to_string(),
            reference: link.other_reference,
            entity: link.other_tenant,
            ..api::CaseLink::default()
        };
        let Some(Child { package, state, category, .. }) = child else { return link };
        let category = common::StateCategory::from(category).into();
        api::CaseLink { package, state, category, ..link }
    };
    Ok(links.into_iter().map(link).collect())
}

/// The last data of each form of a case.
pub(crate) fn forms(case: &Case) -> prost_types::Struct {
    json::to_struct(&json!(case.forms))
}

/// How a quota of a case stands.
pub(crate) fn quota(tally: Tally) -> api::QuotaTally {
    let total = tally.total;
    let standing = |standing: Standing| api::QuotaStanding {
        sentence: Some(standing.sentence(total).into()),
        count: match standing.shown {
            Shown::Count(count) => Some(count),
            Shown::FewerThan(_) | Shown::Withheld => None,
        },
        shown: Some(standing.shown.words().into()),
        dimension: standing.dimension,
        value: standing.value,
        dimension_label: Some(standing.dimension_label.into()),
        value_label: Some(standing.value_label.into()),
        least: standing.least,
        most: standing.most,
        met: standing.met,
        hard: standing.hard,
    };
    api::QuotaTally {
        quota: tally.quota,
        label: Some(tally.label.into()),
        total,
        standings: tally.standings.into_iter().map(standing).collect(),
    }
}

/// An entry of a case's history, with the event of one that is a transition.
pub(crate) fn entry(row: entry::Model, event: Option<CaseEvent>) -> api::CaseEvent {
    let transition = row.kind == "transition";
    let (form_name, form) = event.and_then(|event| event.form).unzip();
    let (reason, text) = if transition { (row.text, String::new()) } else { (String::new(), row.text) };
    api::CaseEvent {
        version: row.number.unsigned_abs(),
        at: Some(time::to_proto(from_db(row.at))),
        actor: row.actor,
        action: row.action,
        from_state: row.from_state,
        to_state: row.to_state,
        reason,
        form_name: form_name.unwrap_or_default(),
        form: form.as_ref().map(json::to_struct),
        kind: row.kind,
        text,
        concealed: false,
    }
}

/// A child of a case after an event, for that case.
pub(crate) fn child(row: &case::Model, case: &Case, parent: &Uuid, at: Timestamp) -> ChildChanged {
    let same = row.parent_tenant.is_empty();
    ChildChanged {
        case_id: parent.to_string(),
        tenant: if same { &row.tenant } else { &row.parent_tenant }.clone(),
        child_tenant: if same { String::new() } else { row.tenant.clone() },
        child_case_id: row.id.to_string(),
        version: row.version.unsigned_abs(),
        package: row.package.clone(),
        link: row.parent_link.clone(),
        state: row.state.clone(),
        category: category(row).into(),
        facts: case.facts.clone().into_iter().collect(),
        at: Some(time::to_proto(at)),
    }
}

/// What a case knows of a child.
pub(crate) fn known(changed: ChildChanged) -> case::Known {
    let category =
        common::StateCategory::try_from(changed.category).ok().and_then(common::StateCategory::word);
    let child = Child {
        package: changed.package,
        link: changed.link,
        state: changed.state,
        category: category.unwrap_or(StateCategory::Open),
        facts: changed.facts.into_iter().collect(),
    };
    case::Known { version: changed.version, child }
}

/// A case after an event, for the other services.
pub(crate) fn changed(row: &case::Model, case: &Case, event: &CaseEvent, from_state: String) -> CaseChanged {
    CaseChanged {
        case: Some(snapshot(row, case)),
        action: event.action.clone(),
        actor: event.actor.clone(),
        at: Some(time::to_proto(event.at)),
        from_state,
        reason: event.reason.clone().unwrap_or_default(),
        form_name: event.form.as_ref().map(|(name, _)| name.clone()).unwrap_or_default(),
        effects: event.effects.iter().filter_map(|asked| effect(asked, event, row)).collect(),
    }
}

fn snapshot(row: &case::Model, case: &Case) -> CaseSnapshot {
    let at = |at| Some(time::to_proto(from_db(at)));
    let customer = case.forms.values().find_map(|form| form.get("customer")).cloned().unwrap_or_default();
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    // Of one that does not answer to the customer nobody tells the customer anything, whoever would.
    let contact = customer.get("contact").filter(|_| !case.inward).cloned().unwrap_or_default();
    CaseSnapshot {
        case_id: row.id.to_string(),
        reference: row.reference.clone(),
        tenant: row.tenant.clone(),
        case_type: row.case_type.clone(),
        package: row.package.clone(),
        package_version: row.package_version.clone(),
        version: row.version.unsigned_abs(),
        state: row.state.clone(),
        category: category(row).into(),
        importance: importance(row).into(),
        department: row.department.clone(),
        service: row.service.clone(),
        centre: case.fact("centre").unwrap_or_default().to_owned(),
        classification: row.classification.clone(),
        channel: row.channel.clone(),
        language: row.language.clone(),
        subject: Some(subject(row)),
        historical: case.historical,
        received_at: at(row.received_at),
        opened_at: at(row.opened_at),
        contact: Some(events::Contact {
            mode: text(contact.get("mode")),
            value: text(contact.get("value")),
            display_name: text(customer.get("display_name")),
            language: row.language.clone(),
        }),
        source_system: row.source_system.clone(),
        external_ref: row.external_ref.clone(),
        facts: Some(json::to_struct(&case.routing_facts())),
        handler: case.handler.clone().unwrap_or_default(),
        inward: case.inward,
    }
}

/// What an effect asks of other services; of a link they hear as such.
fn effect(asked: &Asked, event: &CaseEvent, row: &case::Model) -> Option<Effect> {
    let effect = match asked {
        Asked::Clock(effect) => effect::Effect::Clock(clock(effect)),
        Asked::Route => {
            effect::Effect::Route(events::RouteEffect { reason: event.reason.clone().unwrap_or_default() })
        }
        Asked::AssignActor => {
            effect::Effect::Assign(events::AssignEffect { person: event.actor.clone(), role: String::new() })
        }
        Asked::CloseTask => effect::Effect::CloseTask(events::CloseTaskEffect {}),
        Asked::Notify { template, recipients } => effect::Effect::Notify(events::NotifyEffect {
            template: template.clone(),
            recipients: recipients.clone(),
        }),
        // One that is concealed is asked for otherwise.
        Asked::Child { package, link, number, form, entity, inward, for_customer, lodged_by: _ } => {
            effect::Effect::Child(events::ChildEffect {
                package: package.clone(),
                link: link.clone(),
                form: Some(json::to_struct(form)),
                number: *number,
                entity: entity.clone().unwrap_or_default(),
                inward: *inward,
                submitted_by: if *for_customer { row.submitted_by.clone() } else { String::new() },
            })
        }
        Asked::Link { .. } => return None,
        Asked::Agree(agreement) => effect::Effect::Agreement(agreed(agreement)),
        Asked::EndAgreement => effect::Effect::Agreement(events::AgreementEffect {
            ended: true,
            ..events::AgreementEffect::default()
        }),
        Asked::Schedule(effect) => effect::Effect::Schedule(schedule(effect)),
    };
    Some(Effect { effect: Some(effect) })
}

fn agreed(agreement: &Agreement) -> events::AgreementEffect {
    let target = |agreed: &AgreedTarget| events::AgreedTarget {
        clock: agreed.clock.clone(),
        importance: agreed.importance.clone(),
        target: agreed.target.to_string(),
    };
    let day = |date: Option<jiff::civil::Date>| date.map(|date| date.to_string()).unwrap_or_default();
    events::AgreementEffect {
        ended: false,
        kind: agreement.kind.of_clocks().word().to_owned(),
        provider: agreement.provider.clone(),
        consumer: agreement.consumer.clone(),
        subjects: agreement.subjects.iter().cloned().collect(),
        targets: agreement.targets.iter().map(target).collect(),
        calendar: agreement.calendar.clone().unwrap_or_default(),
        from: day(agreement.from),
        until: day(agreement.until),
        retarget: agreement.open_clocks == OpenClocks::Retarget,
    }
}

fn schedule(effect: &masar_workflow::ScheduleEffect) -> events::ScheduleEffect {
    let mut message =
        events::ScheduleEffect { schedule: effect.schedule.clone(), ..events::ScheduleEffect::default() };
    let operation = match &effect.operation {
        ScheduleOperation::Begin { opens, link, wait, repeats, missed, form } => {
            message.package.clone_from(opens);
            message.link.clone_from(link);
            message.wait = wait.to_string();
            message.repeats = *repeats;
            message.each_missed = *missed == Missed::Each;
            message.form = Some(json::to_struct(form));
            Scheduled::Begin
        }
        ScheduleOperation::End => Scheduled::End,
    };
    message.set_operation(operation);
    message
}

fn clock(effect: &masar_workflow::ClockEffect) -> ClockEffect {
    let mut message = ClockEffect { clock: effect.clock.clone(), ..ClockEffect::default() };
    if let Some(Parties { provider, consumer }) = &effect.between {
        message.provider.clone_from(provider);
        message.consumer.clone_from(consumer);
    }
    let operation = match &effect.operation {
        ClockOperation::Start { kind: whose, target, not_after, marks, policy, on_breach, messages } => {
            message.not_after = not_after.map(|date| date.to_string()).unwrap_or_default();
            message.kind = whose.word().to_owned();
            message.target = target.to_string();
            message.marks = marks.iter().map(ToString::to_string).collect();
            message.policy.clone_from(policy);
            message.on_breach = on_breach.clone().unwrap_or_default();
            message.messages = messages.iter().cloned().collect();
            Operation::Start
        }
        ClockOperation::Pause { reason } => {
            message.reason.clone_from(reason);
            Operation::Pause
        }
        ClockOperation::Resume => Operation::Resume,
        ClockOperation::Retarget { target, not_after, marks, cause } => {
            message.not_after = not_after.map(|date| date.to_string()).unwrap_or_default();
            message.target = target.to_string();
            message.marks = marks.iter().map(ToString::to_string).collect();
            message.reason.clone_from(cause);
            Operation::Retarget
        }
        ClockOperation::Extend { by, reason, granted_by, told } => {
            message.messages = told.iter().cloned().collect();
            message.target = by.to_string();
            message.reason.clone_from(reason);
            message.granted_by.clone_from(granted_by);
            Operation::Extend
        }
        ClockOperation::Stop => Operation::Stop,
        ClockOperation::Cancel { reason } => {
            message.reason.clone_from(reason);
            Operation::Cancel
        }
    };
    message.set_operation(operation);
    message
}

/// Cases of a type in states of a category, counted.
pub(crate) fn count(count: Count) -> api::CaseCount {
    let category =
        count.category.parse::<StateCategory>().map(common::StateCategory::from).unwrap_or_default();
    api::CaseCount {
        case_type: count.case_type,
        category: category.into(),
        cases: count.cases.unsigned_abs(),
    }
}

fn subject(row: &case::Model) -> common::BiText {
    BiText { ar: row.subject_ar.clone(), en: row.subject_en.clone() }.into()
}

fn category(row: &case::Model) -> common::StateCategory {
    row.category.parse::<StateCategory>().map(Into::into).unwrap_or_default()
}

fn importance(row: &case::Model) -> common::Importance {
    row.importance.parse::<Importance>().map(Into::into).unwrap_or_default()
}
