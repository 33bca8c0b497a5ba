//! JWTs of people: HS256 by a shared secret, RS256 and ES256 by the issuer's published keys.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use masar_domain::{Identity, Role, TenantCode};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tonic::Status;

use super::{Error, JwtSettings};
use crate::refuse;

/// Tokens may be this much older or younger than our clock says.
const LEEWAY_SECONDS: u64 = 30;
/// A secret that is shorter can be guessed.
const SECRET_CHARACTERS: usize = 32;
/// How long the issuer may take to answer.
const FETCH: Duration = Duration::from_secs(3);
/// A key that is not known is asked for at most this often.
const REFRESH: Duration = Duration::from_secs(10);

/// What a token says.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    sub: String,
    exp: u64,
    aud: Audiences,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    iss: Option<String>,
    tenants: BTreeSet<TenantCode>,
    roles: BTreeSet<Role>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    department: Option<String>,
}

/// One audience or several (RFC 7519); which of them is ours the library checks.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Audiences {
    One(String),
    #[allow(dead_code, reason = "only its form matters")]
    Many(Vec<String>),
}

pub(super) struct Tokens {
    settings: JwtSettings,
    secret: Option<DecodingKey>,
    keys: ArcSwap<JwkSet>,
    asked: Mutex<Option<Instant>>,
}

impl Tokens {
    pub(super) fn new(settings: &JwtSettings) -> Result<Self, Error> {
        let wrong = |field, problem: &str| Error::Settings { field, problem: problem.to_owned() };
        if settings.audience.is_empty() {
            return Err(wrong("auth.jwt.audience", "is empty: name the audience that tokens are issued for"));
        }
        if settings.hs256_secret.as_ref().is_some_and(|secret| secret.len() < SECRET_CHARACTERS) {
            return Err(wrong("auth.jwt.hs256_secret", "is shorter than 32 characters: choose a longer one"));
        }
        let keys = match &settings.jwks_file {
            Some(file) => std::fs::read(file)
                .map_err(|error| error.to_string())
                .and_then(|text| serde_json::from_slice(&text).map_err(|error| error.to_string()))
                .map_err(|problem| wrong("auth.jwt.jwks_file", &problem))?,
            None => JwkSet { keys: Vec::new() },
        };
        Ok(Self {
            secret: settings.hs256_secret.as_ref().map(|secret| DecodingKey::from_secret(secret.as_bytes())),
            settings: settings.clone(),
            keys: ArcSwap::from_pointee(keys),
            asked: Mutex::new(None),
        })
    }

    /// The person whose token this is.
    pub(super) async fn verify(&self, token: &str) -> Result<Identity, Status> {
        let header = jsonwebtoken::decode_header(token).map_err(|error| refused(&error))?;
        let key = match header.alg {
            Algorithm::HS256 => self.secret.clone(),
            Algorithm::RS256 | Algorithm::ES256 => self.published(header.kid.as_deref()).await,
            _ => None,
        };
        let key = key.ok_or_else(|| {
            refuse::unauthenticated("the token is signed with a key that is not known here")
        })?;
        let mut validation = Validation::new(header.alg);
        validation.leeway = LEEWAY_SECONDS;
        validation.validate_nbf = true;
        validation.set_audience(&[&self.settings.audience]);
        validation.set_required_spec_claims(&["exp", "aud", "sub"]);
        if let Some(issuer) = &self.settings.issuer {
            validation.set_issuer(&[issuer]);
            validation.required_spec_claims.insert("iss".to_owned());
        }
        let claims =
            jsonwebtoken::decode::<Claims>(token, &key, &validation).map_err(|error| refused(&error))?.claims;
        if claims.tenants.is_empty() {
            return Err(refuse::unauthenticated("the token names no tenant"));
        }
        let Claims { sub: subject, tenants, roles, department, .. } = claims;
        Ok(Identity { subject, tenants, roles, department })
    }

    /// A key that the issuer publishes, asked for anew when it is not known yet.
    async fn published(&self, kid: Option<&str>) -> Option<DecodingKey> {
        if let Some(key) = find(&self.keys.load(), kid) {
            return Some(key);
        }
        let url = self.settings.jwks_url.as_ref()?;
        let mut asked = self.asked.lock().await;
        if asked.is_none_or(|at| at.elapsed() > REFRESH) {
            *asked = Some(Instant::now());
            match fetch(url).await {
                Ok(keys) => self.keys.store(Arc::new(keys)),
                Err(error) => tracing::warn!(url, %error, "the issuer's keys could not be read"),
            }
        }
        find(&self.keys.load(), kid)
    }
}

async fn fetch(url: &str) -> Result<JwkSet, reqwest::Error> {
    let client = reqwest::Client::builder().timeout(FETCH).build()?;
    client.get(url).send().await?.error_for_status()?.json().await
}

fn find(keys: &JwkSet, kid: Option<&str>) -> Option<DecodingKey> {
    let key = match kid {
        Some(kid) => keys.find(kid),
        None => keys.keys.first().filter(|_| keys.keys.len() == 1),
    };
    DecodingKey::from_jwk(key?).ok()
}

fn refused(error: &jsonwebtoken::errors::Error) -> Status {
    refuse::unauthenticated(format!(
        "the token is not accepted ({error}): ask your identity provider for a new one"
    ))
}

/// Issues an HS256 token: for the demo, for tests, and for installations without an identity provider.
///
/// # Errors
/// When the secret cannot sign.
pub fn mint(
    settings: &JwtSettings,
    identity: &Identity,
    valid_for: Duration,
) -> Result<String, jsonwebtoken::errors::Error> {
    let claims = Claims {
        sub: identity.subject.clone(),
        exp: jsonwebtoken::get_current_timestamp() + valid_for.as_secs(),
        aud: Audiences::One(settings.audience.clone()),
        iss: settings.issuer.clone(),
        tenants: identity.tenants.clone(),
        roles: identity.roles.clone(),
        department: identity.department.clone(),
    };
    let secret = settings.hs256_secret.as_deref().unwrap_or_default();
    jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(secret.as_bytes()))
}
