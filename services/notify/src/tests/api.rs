//! The contract: pages, filters, masks, tenants, and the webhooks of each.

use anyhow::Result;
use masar_proto::common::v1::PageRequest;
use masar_proto::notify::v1::{
    DeleteWebhookRequest, ListDeliveriesRequest, ListWebhooksRequest, PutWebhookRequest,
};
use masar_testkit::on_each_database;
use tonic::Code;

use super::case::{CASE, REFERENCE, TENANT, snapshot, start, tells};
use super::house::House;

#[tokio::test]
async fn the_log_is_read_in_pages_newest_first() -> Result<()> {
    on_each_database(async |url| {
        let mut house = House::open(&url).await?;
        for seconds in 0..5 {
            house.hand.advance_to(start() + jiff::SignedDuration::from_secs(seconds));
            let to: &[&str] = &["handler", "triage_officer"];
            house.tell("cases", vec![tells(snapshot(), &[("customer_replied", to)])]).await?;
        }
        house.rest().await?;
        let mut client = house.client(TENANT, "auditor");
        let mut token = String::new();
        let mut seen = Vec::new();
        loop {
            let page = Some(PageRequest { size: 3, token });
            let request = ListDeliveriesRequest { page, ..ListDeliveriesRequest::default() };
            let answer = client.list_deliveries(request).await?.into_inner();
            seen.extend(answer.deliveries);
            token = answer.page.unwrap_or_default().next_token;
            if token.is_empty() {
                break;
            }
        }
        let ids: std::collections::BTreeSet<_> = seen.iter().map(|it| &it.delivery_id).collect();
        assert_eq!((seen.len(), ids.len()), (10, 10));
        let times: Vec<_> = seen.iter().filter_map(|it| it.created_at).map(|at| at.seconds).collect();
        assert!(times.is_sorted_by(|newer, older| newer >= older), "{times:?}");
        let page = Some(PageRequest { size: 1, token: "foreign".to_owned() });
        let refused = client.list_deliveries(ListDeliveriesRequest { page, ..Default::default() }).await;
        assert_eq!(refused.unwrap_err().code(), Code::InvalidArgument);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn it_can_be_asked_by_case_and_status_and_only_of_the_own_entity() -> Result<()> {
    on_each_database(async |url| {
        let mut house = House::open(&url).await?;
        let to: &[&str] = &["customer", "independent_reviewer"];
        house.tell("cases", vec![tells(snapshot(), &[("answer", to)])]).await?;
        house.rest().await?;
        let count = async |tenant: &str, case: &str, status: &str| {
            let (case, status) = (case.to_owned(), status.to_owned());
            let request = ListDeliveriesRequest { page: None, case, status };
            let answer = house.client(tenant, "tenant_admin").list_deliveries(request).await;
            answer.map(|answer| answer.into_inner().deliveries.len())
        };
        let (id, low) = (CASE.to_string(), REFERENCE.to_lowercase());
        for (case, status, expected) in [
            ("", "", 2),
            (id.as_str(), "", 2),
            (low.as_str(), "delivered", 1),
            ("", "not_deliverable", 1),
            ("", "failed", 0),
            ("MUN-OTHER", "", 0),
        ] {
            assert_eq!(count(TENANT, case, status).await?, expected, "{case} {status}");
            assert_eq!(count("DEMO-LAB", case, status).await?, 0, "{case} {status}");
        }
        assert_eq!(count(TENANT, "", "lost").await.unwrap_err().code(), Code::InvalidArgument);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn addresses_are_masked_except_for_the_administrator() -> Result<()> {
    on_each_database(async |url| {
        let mut house = House::open(&url).await?;
        house.hook("http://127.0.0.1:9/hook?token=hidden".to_owned(), &[]).await?;
        let to: &[&str] = &["customer", "independent_reviewer"];
        house.tell("cases", vec![tells(snapshot(), &[("answer", to)])]).await?;
        house.rest().await?;
        let mut seen = Vec::new();
        for role in ["tenant_admin", "triage_officer"] {
            let answer = house.client(TENANT, role).list_deliveries(ListDeliveriesRequest::default()).await?;
            let mut recipients: Vec<_> =
                answer.into_inner().deliveries.into_iter().map(|delivery| delivery.recipient).collect();
            recipients.sort();
            seen.push(recipients);
        }
        let all = ["fatima@mail.example", "http://127.0.0.1:9/hook?token=hidden", "independent_reviewer"];
        assert_eq!(seen[0], all);
        assert_eq!(seen[1], ["f***@mail.example", "http://127.0.0.1:9/***", "independent_reviewer"]);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_secret_is_shown_once_and_renewed_with_the_webhook() -> Result<()> {
    on_each_database(async |url| {
        let house = House::open(&url).await?;
        let first = house.hook("https://partner.example/hook".to_owned(), &["case.opened"]).await?;
        let second = house.hook("https://partner.example/hook".to_owned(), &["case.changed"]).await?;
        assert_eq!(first.webhook_id, second.webhook_id);
        assert_ne!(first.secret, second.secret);
        let mut client = house.client(TENANT, "tenant_admin");
        let listed = client.list_webhooks(ListWebhooksRequest {}).await?.into_inner().webhooks;
        assert_eq!(listed.len(), 1);
        assert_eq!(
            (listed[0].secret.as_str(), listed[0].events.as_slice()),
            ("", ["case.changed".to_owned()].as_slice())
        );

        let mut other = house.client("DEMO-LAB", "tenant_admin");
        assert_eq!(other.list_webhooks(ListWebhooksRequest {}).await?.into_inner().webhooks, []);
        let request = || DeleteWebhookRequest { webhook_id: first.webhook_id.clone() };
        assert_eq!(other.delete_webhook(request()).await.unwrap_err().code(), Code::NotFound);
        client.delete_webhook(request()).await?;
        assert_eq!(client.delete_webhook(request()).await.unwrap_err().code(), Code::NotFound);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_webhook_that_could_never_be_called_is_refused() -> Result<()> {
    on_each_database(async |url| {
        let house = House::open(&url).await?;
        let mut client = house.client(TENANT, "tenant_admin");
        let request = PutWebhookRequest {
            url: "http://partner.example/".to_owned(),
            events: vec!["case.changed".to_owned(), "case.lost".to_owned()],
        };
        let refused = client.put_webhook(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().contains("url: ") && refused.message().contains("case.lost"), "{refused}");
        assert_eq!(client.list_webhooks(ListWebhooksRequest {}).await?.into_inner().webhooks, []);
        Ok(())
    })
    .await
}
