//! What the configuration says about callers.

use std::collections::BTreeSet;
use std::path::PathBuf;

use masar_domain::{Role, TenantCode};
use serde::{Deserialize, Serialize};

/// Who may call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuthSettings {
    /// The systems that may call.
    pub api_keys: Vec<ApiKey>,
    /// Whose tokens people bring.
    pub jwt: Option<JwtSettings>,
}

/// The key of a system: `ApiKey ID.SECRET`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    /// The part before the point, which is no secret; the audit shows it.
    pub id: String,
    /// SHA-256 of the secret part, in hexadecimal.
    pub sha256: String,
    /// The tenants that the system may act for.
    pub tenants: BTreeSet<TenantCode>,
    /// What it may do there.
    pub roles: BTreeSet<Role>,
    /// The department that it belongs to, if any.
    #[serde(default)]
    pub department: Option<String>,
}

/// Whose tokens are believed. Give a secret, or a key set by address or file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JwtSettings {
    /// `aud` that a token must carry.
    pub audience: String,
    /// `iss` that a token must carry, if set.
    pub issuer: Option<String>,
    /// Secret of HS256 tokens, at least 32 characters.
    pub hs256_secret: Option<String>,
    /// Where the issuer publishes its keys (RS256, ES256).
    pub jwks_url: Option<String>,
    /// The same as a file.
    pub jwks_file: Option<PathBuf>,
}
