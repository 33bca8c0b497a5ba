//! Who is told what: recipients, escalations, and what cannot be delivered.

use anyhow::Result;
use masar_bus::Event;
use masar_proto::events::v1::{EscalationRaised as Raised, QuietHours};
use masar_proto::notify::v1::Delivery;
use masar_proto::{kinds, time};
use masar_runtime::config::MailSettings;
use masar_testkit::on_each_database;

use super::case::{CASE, TENANT, by, escalation, escalation_of, registry_with, snapshot, start, tells};
use super::house::House;

/// A night of which nobody of the entity works, and the next morning.
const QUIET_NIGHT: &str = "2026-11-15T23:00:00+03:00";
const QUIET_MORNING: &str = "2026-11-16T07:00:00+03:00";

/// Recipient and status, in the order of the recipients.
fn told(deliveries: &[Delivery]) -> Vec<(&str, &str)> {
    let mut told: Vec<_> = deliveries.iter().map(|it| (it.recipient.as_str(), it.status.as_str())).collect();
    told.sort_unstable();
    told
}

#[tokio::test]
async fn roles_of_a_department_mean_the_department_of_the_case() -> Result<()> {
    on_each_database(async |url| {
        let mut house = House::open(&url).await?;
        let to: &[&str] = &["handler", "actor", "department_manager", "case_handler", "triage_officer"];
        let all: &[&str] = &["pqi_director", "head_of_entity", "independent_reviewer"];
        house.tell("cases", vec![tells(snapshot(), &[("customer_replied", to), ("answer", all)])]).await?;
        house.rest().await?;
        let deliveries = house.deliveries().await?;
        assert_eq!(
            told(&deliveries),
            [
                ("head", "not_deliverable"),
                ("independent_reviewer", "not_deliverable"),
                // Absent, and the only one.
                ("pqi@mun.example", "delivered"),
                ("roads-1@mun.example", "delivered"),
                ("roads-manager@mun.example", "delivered"),
                ("triage-1@mun.example", "delivered"),
            ]
        );
        let roads = deliveries.iter().find(|it| it.recipient.starts_with("roads-1"));
        assert_eq!(roads.map(|it| it.language.as_str()), Some("ar"));
        Ok(())
    })
    .await
}

#[tokio::test]
async fn customers_without_mail_are_in_the_log_and_their_numbers_are_not() -> Result<()> {
    on_each_database(async |url| {
        let mut house = House::open(&url).await?;
        let contacts = [
            Some(by("sms", "+97455550000", "ar")),
            Some(by("email", "", "ar")),
            Some(by("none", "", "ar")),
            None,
        ];
        for contact in contacts {
            let mut case = snapshot();
            case.contact = contact;
            house.tell("cases", vec![tells(case, &[("answer", &["customer"])])]).await?;
        }
        house.rest().await?;
        let mut deliveries = house.deliveries().await?;
        deliveries.sort_by(|one, other| one.channel.cmp(&other.channel));
        let seen: Vec<_> = deliveries.iter().map(|it| (it.channel.as_str(), it.recipient.as_str())).collect();
        assert_eq!(
            seen,
            [("email", "customer"), ("none", "customer"), ("none", "customer"), ("sms", "customer")]
        );
        assert!(
            deliveries.iter().all(|it| it.status == "not_deliverable" && it.attempts == 0),
            "{deliveries:?}"
        );
        assert_eq!(deliveries[3].last_error, "we do not deliver by sms");
        assert!(house.mail()?.is_empty());
        Ok(())
    })
    .await
}

#[tokio::test]
async fn what_comes_in_quiet_hours_goes_out_once_when_they_end() -> Result<()> {
    on_each_database(async |url| {
        let mut house = House::silent(&url, MailSettings::default(), QUIET_NIGHT.parse()?).await?;
        let quiet = QuietHours { urgent_levels: vec!["L4".to_owned()], ..QuietHours::default() };
        house.tell("registry", vec![registry_with(Some(quiet))]).await?;
        let raised = |level, mark, people| escalation(kinds::ESCALATION_RAISED, level, mark, people);
        let night = raised("L1", "breach", &["roads-manager"]);
        let urgent = raised("L4", "breach + 10 business_days", &["triage-1"]);
        let customer = tells(snapshot(), &[("answer", &["customer"])]);
        // The same event again makes no second letter.
        house.tell("escalation", vec![night.clone(), night, urgent]).await?;
        house.tell("cases", vec![customer]).await?;
        let gone = |deliveries: &[Delivery]| deliveries.iter().filter(|it| it.status == "delivered").count();
        house.until("what does not wait is gone", |deliveries| gone(deliveries) == 2).await?;
        let deliveries = house.deliveries().await?;
        assert_eq!(
            told(&deliveries),
            [
                ("fatima@mail.example", "delivered"),
                ("roads-manager@mun.example", "pending"),
                ("triage-1@mun.example", "delivered"),
            ]
        );
        let held = deliveries.iter().find(|it| it.status == "pending").expect("one waits");
        let opens = QUIET_MORNING.parse()?;
        assert_eq!(time::from_proto(held.held_until.as_ref()), Some(opens));
        assert_eq!((held.held_until, held.attempts), (held.next_attempt_at, 0));
        house.hand.advance_to(opens);
        house.until("it is gone when they end", |deliveries| gone(deliveries) == 3).await?;
        house.rest().await?;
        assert_eq!(house.mail()?.len(), 3);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn whoever_stands_in_for_others_is_told_so_and_how_often() -> Result<()> {
    on_each_database(async |url| {
        let mut house = House::open(&url).await?;
        let raised = |vacant: &[&str], safety_net: bool, told: u32| {
            let raised = Raised {
                level: "L2".to_owned(),
                mark: "breach".to_owned(),
                people: vec!["roads-manager".to_owned()],
                vacant: vacant.iter().map(|role| (*role).to_owned()).collect(),
                safety_net,
                told,
                ..escalation_of("response")
            };
            Event::new(kinds::ESCALATION_RAISED, TENANT, &CASE, start(), &raised)
        };
        let table = [
            (raised(&[], false, 1), vec![]),
            (
                raised(&["department_director"], false, 1),
                vec!["You are told because nobody present is department_director."],
            ),
            (
                raised(&["department_director"], true, 3),
                vec![
                    "You are told because you are the safety net: nobody present is department_director.",
                    "This level was told 3 times, and nobody has taken notice yet.",
                ],
            ),
        ];
        let (events, expected): (Vec<_>, Vec<_>) = table.into_iter().unzip();
        house.tell("escalation", events).await?;
        house.rest().await?;
        let mut found: Vec<_> = house.mail()?.into_iter().map(|(_, text)| sentences(&text)).collect();
        found.sort_by_key(Vec::len);
        assert_eq!(found, expected);
        Ok(())
    })
    .await
}

/// The sentences of a mail that stand below its template.
fn sentences(mail: &str) -> Vec<String> {
    // Long lines are broken with `=` at their end.
    let text = mail.replace("=\r\n", "").replace("=\n", "");
    let below = text.lines().map(str::trim_end);
    let below =
        below.filter(|line| line.starts_with("You are told") || line.starts_with("This level was told"));
    below.map(str::to_owned).collect()
}

#[tokio::test]
async fn people_hear_of_a_clock_before_and_after_it_is_broken() -> Result<()> {
    on_each_database(async |url| {
        let mut house = House::open(&url).await?;
        let raised = |level, mark, people| escalation(kinds::ESCALATION_RAISED, level, mark, people);
        let events = vec![
            raised("L0", "75%", &["roads-1", "roads-1", "nobody"]),
            raised("L1", "breach", &["roads-manager"]),
            raised("L2", "breach + 2 bd", &["triage-1"]),
            escalation(kinds::ESCALATION_ACKNOWLEDGED, "L1", "breach", &["roads-manager"]),
        ];
        house.tell("escalation", events).await?;
        house.rest().await?;
        let mut deliveries = house.deliveries().await?;
        deliveries.sort_by(|one, other| one.recipient.cmp(&other.recipient));
        let told: Vec<_> = deliveries
            .iter()
            .map(|it| (it.recipient.as_str(), it.template.as_str(), it.status.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                ("nobody", "warned", "not_deliverable"),
                ("roads-1@mun.example", "warned", "delivered"),
                ("roads-manager@mun.example", "late", "delivered"),
                ("triage-1@mun.example", "late", "delivered"),
            ]
        );
        assert_eq!(deliveries[2].subject, "Late: MUN-2026-000001-X (L1)");
        let mails = house.mail()?;
        let due = "The clock Response was due 2026-11-29 14:00 Asia/Qatar and is not done.";
        assert_eq!(mails.iter().filter(|(_, mail)| mail.contains(due)).count(), 2, "{mails:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_customer_is_reminded_in_their_own_words_and_never_in_those_for_people_of_the_entity()
-> Result<()> {
    on_each_database(async |url| {
        let mut house = House::open(&url).await?;
        let level = |template: &str| Raised {
            level: "L0".to_owned(),
            mark: "50%".to_owned(),
            template: template.to_owned(),
            people: vec!["customer".to_owned()],
            ..escalation_of("customer_wait")
        };
        let event = |raised: &Raised| {
            masar_bus::Event::new(kinds::ESCALATION_RAISED, TENANT, &raised.case_id, start(), raised)
        };
        house.tell("escalation", vec![event(&level("reminder")), event(&level(""))]).await?;
        house.rest().await?;
        let mut deliveries = house.deliveries().await?;
        deliveries.sort_by(|one, other| one.template.cmp(&other.template));
        let told: Vec<_> = deliveries
            .iter()
            .map(|it| (it.template.as_str(), it.recipient.as_str(), it.language.as_str(), it.status.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                ("reminder", "fatima@mail.example", "ar", "delivered"),
                ("warned", "customer", "ar", "not_deliverable"),
            ]
        );
        assert_eq!(deliveries[0].subject, "ما زلنا ننتظر ردك: \u{2068}MUN-2026-000001-X\u{2069}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_template_that_cannot_be_filled_in_fails_alone() -> Result<()> {
    on_each_database(async |url| {
        let mut house = House::open(&url).await?;
        let mut case = snapshot();
        case.package_version = "9.0.0".to_owned();
        case.contact = Some(by("email", "john@mail.example", "en"));
        let wrong = tells(case.clone(), &[("progress", &["customer"]), ("answer", &["customer"])]);
        let missing = tells(snapshot(), &[("no_such_template", &["handler"])]);
        case.package_version = "7.0.0".to_owned();
        let unknown = tells(case, &[("answer", &["triage_officer"])]);
        house.tell("cases", vec![wrong, missing, unknown]).await?;
        house.rest().await?;
        let deliveries = house.deliveries().await?;
        let status = |recipient: &str, template: &str| {
            let found = deliveries.iter().find(|it| it.recipient == recipient && it.template == template);
            found.map(|it| (it.status.as_str(), it.last_error.as_str())).unwrap_or_default()
        };
        assert_eq!(status("john@mail.example", "answer"), ("delivered", ""));
        let (failed, error) = status("john@mail.example", "progress");
        assert!(failed == "failed" && error.contains("undefined"), "{failed}: {error}");
        let error = "complaint 1.0.0 has no template `no_such_template` here";
        assert_eq!(status("roads-1@mun.example", "no_such_template"), ("failed", error));
        let error = "complaint 7.0.0 has no template `answer` here";
        assert_eq!(status("triage-1@mun.example", "answer"), ("failed", error));
        Ok(())
    })
    .await
}

#[tokio::test]
async fn cases_of_the_past_are_told_to_nobody() -> Result<()> {
    on_each_database(async |url| {
        let mut house = House::open(&url).await?;
        house.hook("https://partner.example/hook".to_owned(), &[]).await?;
        let mut case = snapshot();
        case.historical = true;
        house.tell("cases", vec![tells(case, &[("answer", &["customer", "handler"])])]).await?;
        house.rest().await?;
        assert_eq!(house.deliveries().await?, []);
        let mut other = house.client("DEMO-LAB", "tenant_admin");
        assert_eq!(
            other.list_webhooks(masar_proto::notify::v1::ListWebhooksRequest {}).await?.into_inner().webhooks,
            []
        );
        assert_ne!(TENANT, "DEMO-LAB");
        Ok(())
    })
    .await
}
