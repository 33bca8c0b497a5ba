//! Agreements: what a case puts into force is what its forms say, and clocks name their parties (SVC-05).

use serde_json::{Value, json};

use super::{now, person, today};
use crate::{
    AgreedTarget, Agreement, AgreementKind, Catalog, Command, Effect, OpenClocks, Opening, Parties, Refusal,
    decide, evolve,
};

fn terms(unit: &str, value: u32) -> Value {
    json!({"subjects": ["department_request"], "calendar": "qa-gov-default", "valid_from": "2026-12-01",
        "targets": [{"clock": "answer", "importance": "all", "value": value, "unit": unit, "measure": "each"}],
        "escalation_contacts": [{"level": "L1", "role": "department_manager"}],
        "valid_to": "2027-11-30", "review_date": "2027-09-30"})
}

/// What an agreement with these terms does when it is activated, and then terminated.
fn activated(terms: Value, open_clocks: &str) -> Result<Vec<Vec<Effect>>, Refusal> {
    let catalog = Catalog::shipped().unwrap();
    let package = catalog.in_force("sla-agreement").unwrap();
    let case_id = masar_domain::CaseId(uuid::Uuid::nil());
    let start = json!({"kind": "ola", "provider_party": "LAB-DISPUTES", "consumer_party": "LAB-PERMITS"});
    let opening = Opening { case_id, historical: false, form: start };
    let mut case = evolve(None, &package.open(opening, &person("service_owner"), now()).unwrap());
    let signature = json!({"accepted": true, "terms_version": "1", "method": "electronic"});
    let mut done = Vec::new();
    for (action, actor, form) in [
        ("propose", "service_owner", Some(terms)),
        ("agree", "p:department_director", None),
        ("sign_provider", "d:department_director", Some(signature.clone())),
        ("sign_consumer", "p:department_director", Some(signature)),
        ("activate", "pqi_director", Some(json!({"open_clocks": open_clocks}))),
        ("terminate", "head_of_entity", None),
    ] {
        let command =
            Command { action: action.into(), form, reason: Some("because".into()), expected_version: None };
        let event = decide(package, &case, &command, &person(actor), today())?;
        case = evolve(Some(case), &event);
        done.push(event.effects);
    }
    Ok(done.split_off(4))
}

#[test]
fn what_is_signed_comes_into_force_and_ends() {
    for (unit, target) in [
        ("business_days", "2 business_days"),
        ("business_hours", "2 business_hours"),
        // Elapsed time is agreed in hours.
        ("elapsed", "2 hours"),
    ] {
        let done = activated(terms(unit, 2), "retarget").unwrap();
        let agreement = Agreement {
            kind: AgreementKind::Ola,
            provider: "LAB-DISPUTES".into(),
            consumer: "LAB-PERMITS".into(),
            subjects: ["department_request".to_owned()].into(),
            targets: vec![AgreedTarget {
                clock: "answer".into(),
                importance: "all".into(),
                target: target.parse().unwrap(),
            }],
            calendar: Some("qa-gov-default".into()),
            from: Some("2026-12-01".parse().unwrap()),
            until: Some("2027-11-30".parse().unwrap()),
            open_clocks: OpenClocks::Retarget,
        };
        assert!(done[0].contains(&Effect::Agree(agreement)), "{:?}", done[0]);
        assert!(done[1].contains(&Effect::EndAgreement), "{:?}", done[1]);
    }
}

#[test]
fn what_is_no_agreement_is_refused_and_changes_nothing() {
    let mut dated = terms("business_days", 2);
    dated["valid_from"] = json!("2026-02-30");
    match activated(dated, "keep") {
        Err(Refusal::Form(violations)) => assert_eq!(violations[0].field, "agreement"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_request_says_who_asks_whom() {
    let catalog = Catalog::shipped().unwrap();
    let package = catalog.in_force("department-request").unwrap();
    let parties = |form: Value| {
        let opening = Opening { case_id: masar_domain::CaseId(uuid::Uuid::nil()), historical: false, form };
        let event = package.open(opening, &person("case_handler"), now()).unwrap();
        event.effects.into_iter().find_map(|effect| match effect {
            Effect::Clock(effect) => Some(effect.between),
            _ => None,
        })
    };
    let both = Parties { provider: "LAB-DISPUTES".into(), consumer: "LAB-PERMITS".into() };
    let asked = json!({"to": "LAB-DISPUTES", "from": "LAB-PERMITS", "text": "?"});
    assert_eq!(parties(asked), Some(Some(both)));
    assert_eq!(parties(json!({"to": "LAB-DISPUTES", "text": "?"})), Some(None));
}
