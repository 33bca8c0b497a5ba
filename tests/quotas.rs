//! Quotas on the whole platform: how they stand is read with the case, and what waits for them says what is missing.

mod support;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use masar_proto::cases::v1::case_service_client::CaseServiceClient;
use masar_proto::cases::v1::{Case, QuotaStanding};
use masar_proto::intake::v1::SubmitCaseRequest;
use masar_proto::intake::v1::intake_service_client::IntakeServiceClient;
use masar_runtime::Clock;
use masar_testkit::on_each_database;
use serde_json::{Value, json};
use support::{Asking, Platform, act, case, complaint, eventually};
use tonic::Code;

const SUNDAY: &str = "2026-11-15T08:42:00+03:00";
const MANAGER: &str = "lab-programme-manager";

/// Somebody who takes part, at once.
const MEMBER: &str = r#"
package: member
version: 1.0.0
case_type: member
label: {ar: "عضو", en: "Member"}
opening_form: invitation
opened_by: [programme_manager]
facts: {origin: origin}
states:
  active: {category: open, initial: true, label: {ar: "نشط", en: "Active"}}
  left: {category: closed, label: {ar: "غادر", en: "Left"}}
transitions:
  - {action: leave, from: [active], to: left, roles: [programme_manager], label: {ar: "مغادرة", en: "Leave"}}
routing: {otherwise: ambassadors}
"#;

/// A panel that begins once half of its members are Qataris.
const PANEL: &str = r#"
package: panel
version: 1.0.0
case_type: panel
label: {ar: "لجنة", en: "Panel"}
opening_form: rules
opened_by: [programme_manager]
states:
  forming: {category: open, initial: true, label: {ar: "قيد التشكيل", en: "Forming"}}
  working: {category: closed, label: {ar: "تعمل", en: "Working"}}
transitions:
  - {action: invite, from: [forming], to: same, roles: [programme_manager], form: invitation, label: {ar: "دعوة", en: "Invite"}, effects: [{child: {package: member, link: member_of}}]}
  - {action: begin, from: [forming], to: working, roles: [programme_manager], quotas: members, label: {ar: "بدء", en: "Begin"}}
quotas:
  members:
    label: {ar: "الأعضاء", en: "The members"}
    package: member
    states: [active]
    rows: rules.rules
    dimensions: {origin: {label: {ar: "الأصل", en: "Origin"}, special: true, values: {qatari: {ar: "قطري", en: "Qatari"}, arab: {ar: "عربي", en: "Arab"}}}}
routing: {otherwise: ambassadors}
"#;

/// Writes a package down and gives its folder.
fn package(folder: &Path, name: &str, workflow: &str, forms: &[(&str, &Value)]) -> Result<PathBuf> {
    let package = folder.join(name);
    std::fs::create_dir_all(package.join("forms"))?;
    std::fs::write(package.join("workflow.yaml"), workflow)?;
    for (form, schema) in forms {
        std::fs::write(package.join(format!("forms/{form}.json")), schema.to_string())?;
    }
    Ok(package)
}

type Cases = CaseServiceClient<Asking>;

/// Invites members of an origin, and waits until the panel knows of all that there are then.
async fn invited(manager: &Cases, panel: &str, origin: &str, count: usize, total: u32) -> Result<Case> {
    for _ in 0..count {
        act(manager, panel, "invite", Some(json!({"origin": origin}))).await?;
    }
    eventually("the members", async || {
        Ok(case(manager, panel).await?.filter(|case| case.quotas.iter().all(|tally| tally.total == total)))
    })
    .await
}

/// The only rule of the panel, as it stands.
fn standing(panel: &Case) -> Result<&QuotaStanding> {
    panel.quotas.first().and_then(|tally| tally.standings.first()).context("it has a rule")
}

fn english(text: Option<&masar_proto::common::v1::BiText>) -> &str {
    text.map(|text| text.en.as_str()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_reads_a_case_finds_how_its_quotas_stand_and_what_waits_for_them_is_refused_by_name()
-> Result<()> {
    on_each_database(async |url| {
        let (clock, _hand) = Clock::manual(SUNDAY.parse()?);
        let folder = tempfile::tempdir()?;
        let label = json!({"ar": "ن", "en": "Form"});
        let field = json!({"type": "string", "x-label": label});
        let invitation = json!({"type": "object", "x-label": label, "properties": {"origin": field}});
        let list = json!({"type": "array", "x-label": label});
        let rules = json!({"type": "object", "x-label": label, "properties": {"rules": list}});
        let member = package(folder.path(), "member", MEMBER, &[("invitation", &invitation)])?;
        let panel = package(folder.path(), "panel", PANEL, &[("invitation", &invitation), ("rules", &rules)])?;
        let platform = Platform::start_with(url, clock, vec![member, panel]).await?;
        let mut intake = IntakeServiceClient::new(platform.person(MANAGER).await?);
        let half = json!({"dimension": "origin", "value": "qatari", "share_target": 50, "tolerance": 1, "hard": true});
        let submit = |rule: &Value| SubmitCaseRequest {
            case_type: "panel".to_owned(),
            ..complaint(&rule.to_string(), &json!({"rules": [rule]}))
        };
        let wrong = intake.submit_case(submit(&json!({"dimension": "origin", "value": "martian"}))).await;
        assert_eq!(wrong.map(drop).map_err(|status| status.code()), Err(Code::InvalidArgument));
        let key = intake.submit_case(submit(&half)).await?.into_inner().reference;
        let manager = CaseServiceClient::new(platform.person(MANAGER).await?);
        eventually("the panel", async || Ok(case(&manager, &key).await?.filter(|case| case.version > 0))).await?;

        let found = invited(&manager, &key, "qatari", 4, 4).await?;
        let few = standing(&found)?;
        assert_eq!((few.count, english(few.shown.as_ref())), (None, "fewer than 5"));
        assert_eq!((few.least, few.most, few.met, few.hard), (1, Some(3), false, true));
        let refused = act(&manager, &key, "begin", None).await.map(drop).map_err(|status| status.message().to_owned());
        let sentence = "Qatari (“Origin”): fewer than 5 of 4, and 1 to 3 are needed / قطري («الأصل»): أقل من 5 من 4، والمطلوب من 1 إلى 3";
        assert_eq!(refused, Err(sentence.to_owned()));

        let found = invited(&manager, &key, "arab", 6, 10).await?;
        assert!(standing(&found)?.met && standing(&found)?.count.is_none());
        let found = invited(&manager, &key, "qatari", 2, 12).await?;
        assert_eq!((standing(&found)?.count, standing(&found)?.least), (Some(6), 5));
        // Anybody who reads the case reads that too.
        let other = CaseServiceClient::new(platform.person("lab-ops").await?);
        assert_eq!(case(&other, &key).await?.map(|case| case.quotas), Some(found.quotas.clone()));
        assert_eq!(english(standing(&found)?.sentence.as_ref()), "Qatari (“Origin”): 6 of 12, and 5 to 7 are needed");
        assert_eq!(act(&manager, &key, "begin", None).await?.state, "working");
        Ok(platform.running.stop().await?)
    })
    .await
}
