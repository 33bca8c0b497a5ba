//! Who is recognised by what they bring: tokens of three kinds, API keys, and everything that must not pass. The keys in
//! `keys/` were made for these tests and open nothing else.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Result;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use masar_domain::{Identity, Role, TenantCode};
use masar_runtime::auth::{ApiKey, AuthSettings, Authenticator, JwtSettings, mint};
use serde_json::{Value, json};
use tonic::Code;
use tonic::metadata::MetadataMap;

const SECRET: &str = "a secret of at least thirty-two characters";

/// What makes a token wrong.
type Change = fn(&mut Value);

fn claims(change: impl Fn(&mut Value)) -> Value {
    let mut claims = json!({
        "sub": "officer", "exp": jsonwebtoken::get_current_timestamp() + 60, "aud": "masar", "iss": "https://id.example",
        "tenants": ["DEMO-MUN"], "roles": ["case_handler"], "department": "MUN-ROADS",
    });
    change(&mut claims);
    claims
}

fn sign(algorithm: Algorithm, key: &EncodingKey, claims: &Value) -> Result<String> {
    let header = Header { kid: Some(format!("{algorithm:?}")), ..Header::new(algorithm) };
    Ok(jsonwebtoken::encode(&header, claims, key)?)
}

fn keys() -> Result<[(Algorithm, EncodingKey); 2]> {
    Ok([
        (Algorithm::RS256, EncodingKey::from_rsa_pem(include_bytes!("keys/rsa.pem"))?),
        (Algorithm::ES256, EncodingKey::from_ec_pem(include_bytes!("keys/ec.pem"))?),
    ])
}

fn door(folder: &std::path::Path) -> Result<Authenticator> {
    let mut set = JwkSet { keys: Vec::new() };
    for (algorithm, key) in keys()? {
        let mut jwk = Jwk::from_encoding_key(&key, algorithm)?;
        jwk.common.key_id = Some(format!("{algorithm:?}"));
        set.keys.push(jwk);
    }
    let file = folder.join("jwks.json");
    std::fs::write(&file, serde_json::to_vec(&set)?)?;
    let jwt = JwtSettings {
        audience: "masar".into(),
        issuer: Some("https://id.example".into()),
        hs256_secret: Some(SECRET.into()),
        jwks_url: None,
        jwks_file: Some(file),
    };
    // SHA-256 of `open sesame`.
    let sha256 = "41ef4bb0b23661e66301aac36066912dac037827b4ae63a7b1165a5aa93ed4eb".to_owned();
    let key = ApiKey {
        id: "crm".into(),
        sha256,
        tenants: BTreeSet::from([TenantCode("DEMO-MUN".into())]),
        roles: BTreeSet::from([Role("partner".into())]),
        department: None,
    };
    Ok(Authenticator::new(&AuthSettings { api_keys: vec![key], jwt: Some(jwt) })?)
}

async fn ask(door: &Authenticator, authorization: &str) -> Result<Identity, tonic::Status> {
    let mut metadata = MetadataMap::new();
    metadata
        .insert("authorization", authorization.parse().map_err(|_| tonic::Status::internal("no header"))?);
    door.authenticate(&metadata).await
}

#[tokio::test]
async fn tokens_of_all_three_kinds_are_believed_and_wrong_ones_are_not() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let door = door(folder.path())?;
    let shared = (Algorithm::HS256, EncodingKey::from_secret(SECRET.as_bytes()));
    for (algorithm, key) in keys()?.into_iter().chain([shared]) {
        let token = sign(algorithm, &key, &claims(|_| {}))?;
        let officer = ask(&door, &format!("Bearer {token}")).await?;
        assert_eq!((officer.subject.as_str(), officer.department.as_deref()), ("officer", Some("MUN-ROADS")));
        let several = sign(algorithm, &key, &claims(|claims| claims["aud"] = json!(["other", "masar"])))?;
        assert!(ask(&door, &format!("Bearer {several}")).await.is_ok());

        let wrong: [(&str, Change); 6] = [
            ("expired", |claims| claims["exp"] = json!(1)),
            ("without end", |claims| claims["exp"] = Value::Null),
            ("for others", |claims| claims["aud"] = json!("others")),
            ("by others", |claims| claims["iss"] = json!("https://other.example")),
            ("not yet valid", |claims| claims["nbf"] = json!(u32::MAX)),
            ("for no tenant", |claims| claims["tenants"] = json!([])),
        ];
        for (what, change) in wrong {
            let token = sign(algorithm, &key, &claims(change))?;
            let refused = ask(&door, &format!("Bearer {token}")).await.expect_err(what);
            assert_eq!(refused.code(), Code::Unauthenticated, "{what}");
        }
        let (head, signature) = token.rsplit_once('.').unwrap_or_default();
        let (header, _) = head.split_once('.').unwrap_or_default();
        let other = sign(algorithm, &key, &claims(|claims| claims["roles"] = json!(["tenant_admin"])))?;
        let payload = other.split('.').nth(1).unwrap_or_default();
        let forged = format!("{header}.{payload}.{signature}");
        assert!(ask(&door, &format!("Bearer {forged}")).await.is_err(), "{algorithm:?}");
    }
    Ok(())
}

#[tokio::test]
async fn what_is_minted_is_believed() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let door = door(folder.path())?;
    let settings = JwtSettings {
        audience: "masar".into(),
        issuer: Some("https://id.example".into()),
        hs256_secret: Some(SECRET.into()),
        ..JwtSettings::default()
    };
    let officer = Identity {
        subject: "officer".into(),
        tenants: BTreeSet::from([TenantCode("DEMO-MUN".into())]),
        roles: BTreeSet::from([Role("case_handler".into())]),
        department: None,
    };
    let token = mint(&settings, &officer, Duration::from_secs(60))?;
    assert_eq!(ask(&door, &format!("Bearer {token}")).await?, officer);
    Ok(())
}

#[tokio::test]
async fn an_api_key_opens_only_with_its_secret() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let door = door(folder.path())?;
    assert_eq!(ask(&door, "ApiKey crm.open sesame").await?.subject, "system:crm");
    for wrong in [
        "ApiKey crm.open sesam",
        "ApiKey crm.",
        "ApiKey other.open sesame",
        "ApiKey crm",
        "Basic crm:open",
        "",
    ] {
        assert_eq!(ask(&door, wrong).await.expect_err(wrong).code(), Code::Unauthenticated);
    }
    Ok(())
}
