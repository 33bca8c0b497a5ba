//! The events of a small municipality and of its cases.

use jiff::Timestamp;
use masar_bus::Event;
use masar_proto::common::v1::{BiText, Importance, StateCategory};
use masar_proto::events::v1::{
    CaseChanged, CaseSnapshot, Contact, Effect, EscalationRaised, NotifyEffect, Person, QuietHours,
    RegistryChanged, effect::Effect as Asked,
};
use masar_proto::{kinds, time};
use masar_store::time::to_db;
use uuid::Uuid;

use crate::store::delivery::{EMAIL, Model, PENDING};

pub(super) const TENANT: &str = "DEMO-MUN";
pub(super) const CASE: Uuid = Uuid::from_u128(0x0193_a5b0_0000_7000_8000_0000_0000_0001);
pub(super) const REFERENCE: &str = "MUN-2026-000001-X";

pub(super) fn start() -> Timestamp {
    "2026-11-15T07:00:00Z".parse().unwrap()
}

fn person(id: &str, department: &str, role: &str, language: &str) -> Person {
    Person {
        id: id.to_owned(),
        email: format!("{id}@mun.example"),
        department: department.to_owned(),
        roles: vec![role.to_owned()],
        language: language.to_owned(),
        ..Person::default()
    }
}

/// Its people: two departments, a triage desk, somebody absent and somebody without an address.
pub(super) fn registry() -> Event {
    registry_with(None)
}

/// The same, with quiet hours on the calendar of the government.
pub(super) fn registry_with(quiet_hours: Option<QuietHours>) -> Event {
    let people = vec![
        person("roads-1", "ROADS", "case_handler", "ar"),
        Person { absent: true, ..person("roads-2", "ROADS", "case_handler", "en") },
        person("roads-manager", "ROADS", "department_manager", "en"),
        person("parks-manager", "PARKS", "department_manager", "en"),
        person("triage-1", "PR", "triage_officer", "en"),
        Person { email: String::new(), ..person("head", "", "head_of_entity", "ar") },
        Person { absent: true, ..person("pqi", "PQI", "pqi_director", "en") },
    ];
    let label = BiText { ar: "البلدية".into(), en: "Municipality".into() };
    let tenant = TENANT.to_owned();
    let changed = RegistryChanged {
        tenant: tenant.clone(),
        version: 1,
        entity_label: Some(label),
        people,
        default_calendar: "qa-gov-default".to_owned(),
        quiet_hours,
        ..RegistryChanged::default()
    };
    Event::new(kinds::REGISTRY_CHANGED, &tenant, &tenant, start(), &changed)
}

pub(super) fn snapshot() -> CaseSnapshot {
    CaseSnapshot {
        case_id: CASE.to_string(),
        reference: REFERENCE.to_owned(),
        tenant: TENANT.to_owned(),
        case_type: "complaint".to_owned(),
        package: "complaint".to_owned(),
        package_version: "1.0.0".to_owned(),
        version: 1,
        state: "received".to_owned(),
        category: StateCategory::Open.into(),
        importance: Importance::High.into(),
        department: "ROADS".to_owned(),
        language: "en".to_owned(),
        subject: Some(BiText {
            ar: "حفرة أمام بيتي".into(), en: "A hole before my house".into()
        }),
        contact: Some(by("email", "fatima@mail.example", "ar")),
        handler: "roads-1".to_owned(),
        ..CaseSnapshot::default()
    }
}

pub(super) fn by(mode: &str, value: &str, language: &str) -> Contact {
    Contact {
        mode: mode.to_owned(),
        value: value.to_owned(),
        display_name: "Fatima".to_owned(),
        language: language.to_owned(),
    }
}

/// A change of a case that tells somebody something.
pub(super) fn tells(case: CaseSnapshot, messages: &[(&str, &[&str])]) -> Event {
    let notify = |(template, to): &(&str, &[&str])| NotifyEffect {
        template: (*template).to_owned(),
        recipients: to.iter().map(|word| (*word).to_owned()).collect(),
    };
    let effects = messages.iter().map(|message| Effect { effect: Some(Asked::Notify(notify(message))) });
    let changed = CaseChanged {
        case: Some(case.clone()),
        action: "progress_update".to_owned(),
        actor: "roads-manager".to_owned(),
        at: Some(time::to_proto(start())),
        reason: "because of the rain".to_owned(),
        effects: effects.collect(),
        ..CaseChanged::default()
    };
    Event::new(kinds::CASE_CHANGED, &case.tenant, &case.case_id, start(), &changed)
}

/// A level of the ladder of the response clock.
pub(super) fn escalation(kind: &str, level: &str, mark: &str, people: &[&str]) -> Event {
    let raised = EscalationRaised {
        level: level.to_owned(),
        mark: mark.to_owned(),
        people: people.iter().map(|id| (*id).to_owned()).collect(),
        ..escalation_of("response")
    };
    Event::new(kind, TENANT, &CASE, start(), &raised)
}

/// An escalation of a clock of the case, without its level.
pub(super) fn escalation_of(clock: &str) -> EscalationRaised {
    EscalationRaised {
        escalation_id: "1".to_owned(),
        case_id: CASE.to_string(),
        tenant: TENANT.to_owned(),
        clock: clock.to_owned(),
        run: 1,
        due_at: Some(time::to_proto("2026-11-29T11:00:00Z".parse().unwrap())),
        case: Some(snapshot()),
        ..EscalationRaised::default()
    }
}

/// A mail that waits.
pub(super) fn letter() -> Model {
    Model {
        id: Uuid::now_v7(),
        tenant: TENANT.to_owned(),
        case_id: CASE,
        reference: REFERENCE.to_owned(),
        template: "answer".to_owned(),
        channel: EMAIL.to_owned(),
        recipient: "fatima@mail.example".to_owned(),
        language: "ar".to_owned(),
        subject: "الرد".to_owned(),
        body: "تم الرد".to_owned(),
        webhook_id: None,
        status: PENDING.to_owned(),
        attempts: 0,
        last_error: String::new(),
        created_at: to_db(start()),
        delivered_at: None,
        next_attempt_at: Some(to_db(start())),
        awaited_since: None,
        lease: None,
        held_until: None,
    }
}
