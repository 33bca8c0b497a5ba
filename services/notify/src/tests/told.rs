//! What the clock of the acknowledgement hears: when the customer was told, or that there is nobody to tell.

use anyhow::Result;
use masar_proto::events::v1::MessageTold;
use masar_proto::time;
use masar_store::time::to_db;
use masar_testkit::on_each_database;

use super::case::{CASE, TENANT, letter, snapshot, start, tells};
use super::house::House;
use crate::app::told;
use crate::store::delivery::{DELIVERED, FAILED, Model, NOT_DELIVERABLE, PENDING};

fn acknowledgement(obstacle: &str) -> MessageTold {
    let at = Some(time::to_proto(start()));
    MessageTold {
        case_id: CASE.to_string(),
        tenant: TENANT.to_owned(),
        template: "acknowledgement".to_owned(),
        channel: if obstacle.is_empty() { "email" } else { "none" }.to_owned(),
        at,
        asked_at: at,
        obstacle: obstacle.to_owned(),
    }
}

#[tokio::test]
async fn a_message_is_told_when_it_was_delivered() -> Result<()> {
    on_each_database(async |url| {
        let mut house = House::open(&url).await?;
        let messages: &[(&str, &[&str])] = &[("progress", &["customer"]), ("acknowledgement", &["customer"])];
        house.tell("cases", vec![tells(snapshot(), messages)]).await?;
        assert_eq!(house.told().await?, acknowledgement(""));
        Ok(())
    })
    .await
}

#[tokio::test]
async fn where_there_is_nobody_to_tell_that_is_told_at_once() -> Result<()> {
    on_each_database(async |url| {
        let mut house = House::open(&url).await?;
        let anonymous = masar_proto::events::v1::CaseSnapshot { contact: None, ..snapshot() };
        house.tell("cases", vec![tells(anonymous, &[("acknowledgement", &["customer"])])]).await?;
        assert_eq!(house.told().await?, acknowledgement("the customer left no address"));
        Ok(())
    })
    .await
}

#[test]
fn only_what_a_clock_waits_for_and_what_is_over_is_told() {
    let since = Some(to_db(start()));
    for (status, awaited_since, tells) in [
        (DELIVERED, since, true),
        (NOT_DELIVERABLE, since, true),
        (DELIVERED, None, false),
        (PENDING, since, false),
        // The customer was not told, whoever's fault that is.
        (FAILED, since, false),
    ] {
        let delivery = Model { status: status.to_owned(), awaited_since, delivered_at: since, ..letter() };
        assert_eq!(told(&delivery).is_some(), tells, "{status} {awaited_since:?}");
    }
}
