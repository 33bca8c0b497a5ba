//! Webhooks, as Standard Webhooks 1.0 has them (<https://www.standardwebhooks.com>).

use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use masar_store::Store;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, StatusCode, Url, redirect};
use rustls::crypto::ring::default_provider;
use sha2::Sha256;

use super::{Post, Refusal};
use crate::store::{delivery, webhook};

/// How long a receiver may take to answer.
const LONGEST: Duration = Duration::from_secs(15);
/// Bytes of a signing key.
const KEY: usize = 24;
/// What every secret begins with.
const PREFIX: &str = "whsec_";

/// Calls webhooks.
pub(crate) struct Webhooks {
    store: Store,
    client: Result<Client, String>,
}

impl Webhooks {
    pub(crate) fn new(store: Store) -> Self {
        // Whichever came first stays: the client only needs one to be there.
        let _ = default_provider().install_default();
        let client = Client::builder()
            .timeout(LONGEST)
            .redirect(redirect::Policy::none())
            .user_agent(concat!("masar/", env!("CARGO_PKG_VERSION")))
            .build();
        if let Err(error) = &client {
            tracing::error!(%error, "webhooks cannot be called: do the certificates of the system exist?");
        }
        Self { store, client: client.map_err(|error| error.to_string()) }
    }

    /// The webhook of a delivery, as it is now.
    async fn webhook(&self, delivery: &delivery::Model) -> Result<webhook::Model, Refusal> {
        let deleted = || Refusal::ForGood("the webhook was deleted".to_owned());
        let id = delivery.webhook_id.ok_or_else(deleted)?;
        let found = webhook::find(&self.store, &delivery.tenant, id).await;
        found.map_err(|error| Refusal::Later(error.to_string()))?.ok_or_else(deleted)
    }
}

#[async_trait]
impl Post for Webhooks {
    async fn send(&self, delivery: &delivery::Model, at: Timestamp) -> Result<(), Refusal> {
        let client = self.client.as_ref().map_err(|error| Refusal::Later(error.clone()))?;
        let webhook = self.webhook(delivery).await?;
        let (id, body) = (delivery.id.to_string(), delivery.body.clone());
        let signature = sign(&webhook.secret, &id, at.as_second(), &body)
            .ok_or_else(|| Refusal::ForGood("the secret of the webhook cannot be used".to_owned()))?;
        let answer = client
            .post(&webhook.url)
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", at.as_second())
            .header("webhook-signature", signature)
            .body(body)
            .send()
            .await
            // The address may hold a token of the receiver.
            .map_err(|error| Refusal::Later(error.without_url().to_string()))?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            StatusCode::GONE => {
                Err(Refusal::ForGood("the receiver answered 410: it wants no more".to_owned()))
            }
            status => Err(Refusal::Later(format!("the receiver answered {}", status.as_u16()))),
        }
    }
}

/// The signature of a message; none when the secret is none.
fn sign(secret: &str, id: &str, seconds: i64, body: &str) -> Option<String> {
    let key = STANDARD.decode(secret.strip_prefix(PREFIX)?).ok()?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
    mac.update(format!("{id}.{seconds}.{body}").as_bytes());
    Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

/// A new secret; none when the system has no random numbers.
pub(crate) fn new_secret() -> Option<String> {
    let mut key = [0; KEY];
    default_provider().secure_random.fill(&mut key).ok()?;
    Some(format!("{PREFIX}{}", STANDARD.encode(key)))
}

/// The address of a webhook, if we may call it: over https, or within this machine.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn usable(url: &str) -> Result<Url, String> {
    let url: Url = url.parse().map_err(|error| format!("is no address: {error}"))?;
    let host = url.host_str().unwrap_or_default();
    let here = host == "localhost"
        || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    match url.scheme() {
        _ if !url.username().is_empty() || url.password().is_some() => {
            Err("holds credentials: the signature says who calls".to_owned())
        }
        "https" => Ok(url),
        "http" if here => Ok(url),
        _ => Err("begins with neither https:// nor, on this machine, http://localhost".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_as_the_published_vector_says() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let signature = sign(secret, id, 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signature.as_deref(), Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
        assert_eq!(sign("no secret", "1", 1, ""), None);
    }

    #[test]
    fn secrets_are_long_and_never_the_same() {
        let (one, other) = (new_secret().unwrap(), new_secret().unwrap());
        assert_ne!(one, other);
        assert_eq!(STANDARD.decode(one.strip_prefix(PREFIX).unwrap()).unwrap().len(), KEY);
    }

    #[test]
    fn only_safe_addresses_are_called() {
        for right in [
            "https://partner.example/hook",
            "http://localhost:8080/",
            "http://127.0.0.1:1/x",
            "http://[::1]/",
        ] {
            assert!(usable(right).is_ok(), "{right}");
        }
        for wrong in [
            "http://partner.example/",
            "http://localhost.partner.example/",
            "http://10.0.0.1/",
            "ftp://localhost/",
            "https://user:word@partner.example/",
            "partner.example",
            "",
        ] {
            assert!(usable(wrong).is_err(), "{wrong}");
        }
    }
}
