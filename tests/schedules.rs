//! Cases that begin by themselves: on days of the calendar for the entities that ask for it, and some time after something
//! happened to a case; each once, and also what came while the platform was down (E21, GEN-05, CXT-07).

mod support;

use anyhow::Result;
use jiff::Timestamp;
use masar_proto::cases::v1::case_service_client::CaseServiceClient;
use masar_proto::cases::v1::{Case, ListCasesRequest};
use masar_proto::intake::v1::intake_service_client::IntakeServiceClient;
use masar_proto::intake::v1::{ListSchedulesRequest, Schedule, SubmitCaseRequest};
use masar_proto::time;
use masar_runtime::Clock;
use masar_runtime::clock::Hand;
use masar_testkit::on_each_database;
use serde_json::json;
use support::{Asking, Platform, act, case, complaint, eventually};

const SUNDAY: &str = "2026-11-15T08:42:00+03:00";

fn at(text: &str) -> Result<Timestamp> {
    Ok(format!("{text}:00+03:00").parse()?)
}

async fn platform(url: String, starts: &str) -> Result<(Platform, Hand)> {
    let (clock, hand) = Clock::manual(starts.parse()?);
    Ok((Platform::start(url, clock).await?, hand))
}

async fn person(platform: &Platform, id: &str) -> Result<CaseServiceClient<Asking>> {
    Ok(CaseServiceClient::new(platform.person(id).await?))
}

/// The schedule of a package, once it is known when it comes.
async fn coming(platform: &Platform, package: &str, occurrence: &str) -> Result<Schedule> {
    let intake = IntakeServiceClient::new(platform.person("lab-admin").await?);
    eventually(&format!("{package} {occurrence}"), async || {
        let found = intake.clone().list_schedules(ListSchedulesRequest::default()).await?.into_inner();
        let mut found = found.schedules.into_iter().filter(|schedule| schedule.package == package);
        Ok(found.find(|schedule| schedule.occurrence == occurrence && schedule.comes_at.is_some()))
    })
    .await
}

/// The external references of the cases of a type, once there are so many.
async fn opened(platform: &Platform, case_type: &str, count: usize) -> Result<Vec<Case>> {
    let cases = person(platform, "lab-pqi-director").await?;
    let request = ListCasesRequest { case_type: case_type.to_owned(), ..ListCasesRequest::default() };
    eventually(&format!("{count} of {case_type}"), async || {
        let mut found = cases.clone().list_cases(request.clone()).await?.into_inner().cases;
        found.sort_by(|one, other| one.external_ref.cmp(&other.external_ref));
        Ok((found.len() == count).then_some(found))
    })
    .await
}

fn references(cases: &[Case]) -> Vec<&str> {
    cases.iter().map(|case| case.external_ref.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_begins_every_month_once_and_what_was_missed_is_made_up_for() -> Result<()> {
    on_each_database(async |url| {
        let (first, hand) = platform(url.clone(), SUNDAY).await?;
        let next = coming(&first, "cx-report", "2026-12").await?;
        assert_eq!(time::from_proto(next.comes_at.as_ref()), Some(at("2026-12-01T07:00")?));
        assert_eq!(
            (next.schedule.as_str(), next.opens.as_str(), next.problem.as_str()),
            ("monthly", "cx-report", "")
        );
        assert_eq!(opened(&first, "cx_report", 0).await?, []);

        hand.advance_to(at("2026-12-01T07:00")?);
        let reports = opened(&first, "cx_report", 1).await?;
        assert_eq!(references(&reports), ["cx-report/monthly/2026-12"]);
        let report = case(&person(&first, "lab-cx-secretary").await?, &reports[0].case_id).await?;
        let report = report.unwrap_or_default();
        let subject = report.subject.unwrap_or_default();
        assert_eq!(subject.en, "Report of the customer experience team 2026-12");
        assert_eq!((report.state.as_str(), report.source_system.as_str()), ("scheduled", "schedule"));
        let next = coming(&first, "cx-report", "2027-01").await?;
        assert_eq!(time::from_proto(next.comes_at.as_ref()), Some(at("2027-01-03T07:00")?));
        first.running.stop().await?;

        // Three months later: of those that came meanwhile the package wants the last alone.
        let (second, _hand) = platform(url, "2027-04-08T09:00:00+03:00").await?;
        let reports = opened(&second, "cx_report", 2).await?;
        assert_eq!(references(&reports), ["cx-report/monthly/2026-12", "cx-report/monthly/2027-04"]);
        coming(&second, "cx-report", "2027-05").await?;
        Ok(second.running.stop().await?)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_reviewed_every_year_after_it_was_published() -> Result<()> {
    on_each_database(async |url| {
        let (platform, hand) = platform(url, SUNDAY).await?;
        let card = json!({"code": "LAB-S01", "name": {"ar": "خدمة", "en": "A service"}, "owner_department": "LAB-PERMITS"});
        let submission = SubmitCaseRequest { case_type: "service_definition".to_owned(), ..complaint("S-1", &card) };
        let owner = platform.person("lab-service-owner").await?;
        let accepted = IntakeServiceClient::new(owner.clone()).submit_case(submission).await?.into_inner();
        let (owner, key) = (CaseServiceClient::new(owner), accepted.reference);
        let director = person(&platform, "lab-permits-director").await?;
        let quality = person(&platform, "lab-pqi-director").await?;
        eventually("it is open", async || Ok(case(&owner, &key).await?.filter(|case| case.state == "draft"))).await?;
        let filled = json!({"definition": {"ar": "تجديد", "en": "A permit is renewed"}, "owner_entity": "DEMO-LAB",
            "documents": ["passport"], "fees": [{"amount": 100, "rule": "each year"}], "duration_expected_days": 5,
            "channels": ["web_portal"], "delivery_model": "direct",
            "procedure": [{"order": 1, "actor": "customer", "action": {"ar": "تقديم", "en": "Applies"}}],
            "indicators": [{"name": {"ar": "المدة", "en": "Duration"}, "formula": "median", "unit": "days", "target": "5",
                "frequency": "monthly", "owner": "permits-1"}]});
        act(&owner, &key, "submit", Some(filled)).await?;
        act(&director, &key, "approve", None).await?;
        act(&quality, &key, "approve", None).await?;
        act(&quality, &key, "publish", Some(json!({"version": "1", "valid_from": "2026-12-01"}))).await?;

        let next = coming(&platform, "service-definition", "1").await?;
        assert_eq!(time::from_proto(next.comes_at.as_ref()), Some(at("2027-11-15T07:00")?));
        assert_eq!((next.opens.as_str(), next.case_id.as_str()), ("journey-map", accepted.case_id.as_str()));

        hand.advance_to(at("2027-11-15T07:00")?);
        let reviews = opened(&platform, "journey_map", 1).await?;
        assert_eq!((reviews[0].service.as_str(), reviews[0].department.as_str()), ("LAB-S01", "LAB-PERMITS"));
        let review = eventually("it is linked", async || {
            Ok(case(&quality, &reviews[0].case_id).await?.filter(|case| !case.links.is_empty()))
        })
        .await?;
        assert_eq!((review.links[0].case_id.as_str(), review.links[0].link.as_str()), (accepted.case_id.as_str(), "reviews"));
        let next = coming(&platform, "service-definition", "2").await?;
        assert_eq!(time::from_proto(next.comes_at.as_ref()), Some(at("2028-11-15T07:00")?));

        // A service that is retired is reviewed no more.
        act(&quality, &key, "retire", Some(json!({"reason": {"ar": "دمجت", "en": "Merged"}}))).await?;
        let intake = IntakeServiceClient::new(platform.person("lab-admin").await?);
        eventually("it comes no more", async || {
            let left = intake.clone().list_schedules(ListSchedulesRequest::default()).await?.into_inner().schedules;
            Ok((!left.iter().any(|schedule| schedule.package == "service-definition")).then_some(()))
        })
        .await?;
        Ok(platform.running.stop().await?)
    })
    .await
}
