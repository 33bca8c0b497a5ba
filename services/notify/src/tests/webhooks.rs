//! Webhooks: what a receiver gets, how it knows that we sent it, and when we stop.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use masar_proto::kinds;
use masar_runtime::config::MailSettings;
use masar_testkit::on_each_database;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use super::case::{CASE, REFERENCE, escalation, snapshot, start, tells};
use super::house::House;

/// An answer that never comes.
const SILENCE: u16 = 0;

#[derive(Clone)]
struct Door {
    answers: Arc<Mutex<VecDeque<u16>>>,
    calls: UnboundedSender<Call>,
}

/// A call of the receiver.
struct Call {
    headers: HeaderMap,
    body: String,
}

impl Call {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

struct Receiver {
    url: String,
    calls: UnboundedReceiver<Call>,
}

impl Receiver {
    /// A receiver that answers with these statuses in turn, and then with 204.
    async fn answering(answers: &[u16]) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/hook?token=hidden", listener.local_addr()?);
        let (sender, calls) = mpsc::unbounded_channel();
        let answers = Arc::new(Mutex::new(answers.iter().copied().collect()));
        let door = Door { answers, calls: sender };
        let router = Router::new().route("/hook", post(receive)).with_state(door);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { url, calls })
    }

    async fn call(&mut self) -> Result<Call> {
        self.calls.recv().await.context("a call")
    }
}

async fn receive(State(door): State<Door>, headers: HeaderMap, body: String) -> impl IntoResponse {
    let answer = door.answers.lock().ok().and_then(|mut answers| answers.pop_front()).unwrap_or(204);
    let _ = door.calls.send(Call { headers, body });
    if answer == SILENCE {
        std::future::pending::<()>().await;
    }
    // Whoever follows a redirect comes back here.
    (StatusCode::from_u16(answer).unwrap_or(StatusCode::NO_CONTENT), [(LOCATION, "/hook")])
}

/// Standard Webhooks as a receiver checks it, by HMAC as RFC 2104 writes it.
fn expected(secret: &str, id: &str, timestamp: &str, body: &str) -> String {
    let mut key = STANDARD.decode(secret.trim_start_matches("whsec_")).unwrap();
    key.resize(64, 0);
    let pad = |byte: u8| key.iter().map(|key| key ^ byte).collect::<Vec<u8>>();
    let content = format!("{id}.{timestamp}.{body}");
    let inner = Sha256::digest([pad(0x36), content.into_bytes()].concat());
    format!("v1,{}", STANDARD.encode(Sha256::digest([pad(0x5c), inner.to_vec()].concat())))
}

#[test]
fn the_check_of_the_test_knows_the_published_vector() {
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let signature = expected(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", r#"{"test": 2432232314}"#);
    assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

#[tokio::test]
async fn a_receiver_can_tell_that_it_is_us_and_learns_nothing_of_the_customer() -> Result<()> {
    on_each_database(async |url| {
        let mut receiver = Receiver::answering(&[]).await?;
        let mut house = House::open(&url).await?;
        let hook = house.hook(receiver.url.clone(), &[]).await?;
        assert!(hook.secret.starts_with("whsec_"));
        house.tell("cases", vec![tells(snapshot(), &[])]).await?;
        let call = receiver.call().await?;
        house.rest().await?;

        let (id, at) = (call.header("webhook-id"), call.header("webhook-timestamp"));
        assert_eq!(call.header("webhook-signature"), expected(&hook.secret, id, at, &call.body));
        assert_eq!(at, start().as_second().to_string());
        assert_eq!(call.header("content-type"), "application/json");
        let json = call.json();
        assert_eq!(
            (&json["type"], &json["timestamp"]),
            (&"case.changed".into(), &"2026-11-15T07:00:00Z".into())
        );
        let case = &json["data"]["case"];
        assert_eq!((&case["case_id"], &case["reference"]), (&CASE.to_string().into(), &REFERENCE.into()));
        assert_eq!((&case["importance"], &case["category"]), (&"high".into(), &"open".into()));
        for private in ["fatima", "Fatima", "hole", "rain", "roads-manager"] {
            assert!(!call.body.contains(private), "{private}: {}", call.body);
        }
        let delivery = house.only().await?;
        assert_eq!((delivery.delivery_id.as_str(), delivery.status.as_str()), (id, "delivered"));
        assert_eq!((delivery.channel.as_str(), delivery.template.as_str()), ("webhook", "case.changed"));
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_webhook_hears_only_what_it_asked_for() -> Result<()> {
    on_each_database(async |url| {
        let mut receiver = Receiver::answering(&[]).await?;
        let mut house = House::open(&url).await?;
        house.hook(receiver.url.clone(), &[kinds::ESCALATION_RAISED, kinds::ESCALATION_ACKNOWLEDGED]).await?;
        house.tell("cases", vec![tells(snapshot(), &[])]).await?;
        house.tell("escalation", vec![escalation(kinds::ESCALATION_RAISED, "L1", "breach", &[])]).await?;
        let raised = receiver.call().await?.json();
        house
            .tell("escalation", vec![escalation(kinds::ESCALATION_ACKNOWLEDGED, "L1", "breach", &[])])
            .await?;
        let acknowledged = receiver.call().await?.json();
        house.rest().await?;
        assert_eq!(
            (&raised["type"], &raised["data"]["escalation"]["level"]),
            (&"escalation.raised".into(), &"L1".into())
        );
        assert_eq!(acknowledged["type"], "escalation.acknowledged");
        assert_eq!(house.deliveries().await?.len(), 2);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn every_attempt_has_the_same_id_and_its_own_signature_and_410_ends_it() -> Result<()> {
    on_each_database(async |url| {
        // A redirect is no answer: following it would send the case to somebody else.
        let mut receiver = Receiver::answering(&[503, 307, 410]).await?;
        let mut house = House::open(&url).await?;
        let hook = house.hook(receiver.url.clone(), &[]).await?;
        house.tell("cases", vec![tells(snapshot(), &[])]).await?;
        let mut ids = Vec::new();
        for seconds in [5, 35, 0] {
            let call = receiver.call().await?;
            let (id, at) = (call.header("webhook-id"), call.header("webhook-timestamp"));
            assert_eq!(call.header("webhook-signature"), expected(&hook.secret, id, at, &call.body));
            ids.push(id.to_owned());
            house.hand.advance_to(start() + SignedDuration::from_secs(seconds));
        }
        house.rest().await?;
        let delivery = house.only().await?;
        assert_eq!(ids, [(); 3].map(|()| delivery.delivery_id.clone()));
        assert_eq!((delivery.status.as_str(), delivery.attempts), ("failed", 3));
        assert!(delivery.last_error.contains("410"), "{}", delivery.last_error);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn what_was_sent_and_not_recorded_is_sent_again_under_the_same_id() -> Result<()> {
    on_each_database(async |url| {
        let mut receiver = Receiver::answering(&[SILENCE]).await?;
        let house = House::open(&url).await?;
        house.hook(receiver.url.clone(), &[]).await?;
        house.tell("cases", vec![tells(snapshot(), &[])]).await?;
        let first = receiver.call().await?;
        house.kill().await;

        // Other replicas do not touch it while the attempt may still be under way.
        let lost_at = start() + SignedDuration::from_secs(120);
        let early = lost_at - SignedDuration::from_secs(1);
        let mut other = House::silent(&url, MailSettings::default(), early).await?;
        other.rest().await?;
        let waiting = other.only().await?;
        assert_eq!((waiting.status.as_str(), waiting.attempts), ("pending", 1));
        let mut other = House::silent(&url, MailSettings::default(), lost_at).await?;
        let second = receiver.call().await?;
        other.rest().await?;
        assert_eq!(first.header("webhook-id"), second.header("webhook-id"));
        assert_eq!(first.body, second.body);
        assert_eq!(second.header("webhook-timestamp"), lost_at.as_second().to_string());
        let delivery = other.only().await?;
        assert_eq!((delivery.status.as_str(), delivery.attempts), ("delivered", 2));
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_webhook_that_was_deleted_hears_no_more() -> Result<()> {
    on_each_database(async |url| {
        let mut receiver = Receiver::answering(&[500]).await?;
        let mut house = House::open(&url).await?;
        let hook = house.hook(receiver.url.clone(), &[]).await?;
        house.tell("cases", vec![tells(snapshot(), &[])]).await?;
        receiver.call().await?;
        let request = masar_proto::notify::v1::DeleteWebhookRequest { webhook_id: hook.webhook_id };
        house.client(super::case::TENANT, "tenant_admin").delete_webhook(request).await?;
        house.rest().await?;
        let later = start() + SignedDuration::from_secs(5);
        let mut house = House::silent(&url, MailSettings::default(), later).await?;
        house.rest().await?;
        let delivery = house.only().await?;
        assert_eq!(
            (delivery.status.as_str(), delivery.last_error.as_str()),
            ("failed", "the webhook was deleted")
        );
        assert!(receiver.calls.is_empty());
        Ok(())
    })
    .await
}
