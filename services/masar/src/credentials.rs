//! The credentials of an embedded installation: made at the first start, kept in its data folder.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use masar_domain::{Role, TenantCode};
use masar_runtime::auth::{ApiKey, AuthSettings, JwtSettings};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The audience of the tokens that an embedded installation issues for itself.
const AUDIENCE: &str = "masar";
/// The system that submits the demo's cases.
const KEY_ID: &str = "demo-call-centre";

/// What opens the doors of an embedded installation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Credentials {
    /// `ID.SECRET` of the demo's call centre.
    pub api_key: String,
    /// Signs the tokens of people.
    pub jwt_secret: String,
}

impl Credentials {
    /// The credentials in a data folder, made when there are none.
    ///
    /// # Errors
    /// When the folder cannot be read or written.
    pub fn of(data_folder: &Path) -> Result<Self> {
        let file = file(data_folder);
        if file.exists() {
            return Self::read(data_folder);
        }
        let credentials = Self { api_key: format!("{KEY_ID}.{}", secret()), jwt_secret: secret() };
        fs::create_dir_all(data_folder).with_context(|| format!("cannot make {}", data_folder.display()))?;
        write_privately(&file, &serde_json::to_string_pretty(&credentials)?)?;
        Ok(credentials)
    }

    /// The credentials of an installation that was started before.
    ///
    /// # Errors
    /// When there are none.
    pub fn read(data_folder: &Path) -> Result<Self> {
        let file = file(data_folder);
        let text = fs::read_to_string(&file).with_context(|| {
            format!("cannot read {}: start with `masar up`, or name its --data folder", file.display())
        })?;
        serde_json::from_str(&text).with_context(|| format!("{} is damaged", file.display()))
    }

    /// The settings under which these credentials are accepted for the tenants.
    #[must_use]
    pub fn settings(&self, tenants: &[String]) -> AuthSettings {
        let secret = self.api_key.split_once('.').map_or("", |(_, secret)| secret);
        let sha256 = Sha256::digest(secret.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        AuthSettings {
            api_keys: vec![ApiKey {
                id: KEY_ID.to_owned(),
                sha256,
                tenants: tenants.iter().cloned().map(TenantCode).collect(),
                roles: ["partner", "intake_agent"].map(|role| Role(role.to_owned())).into(),
                department: None,
            }],
            jwt: Some(self.jwt()),
        }
    }

    /// How the tokens of people are signed.
    #[must_use]
    pub fn jwt(&self) -> JwtSettings {
        JwtSettings {
            audience: AUDIENCE.to_owned(),
            hs256_secret: Some(self.jwt_secret.clone()),
            ..JwtSettings::default()
        }
    }
}

fn file(data_folder: &Path) -> PathBuf {
    data_folder.join("credentials.json")
}

/// 244 random bits.
fn secret() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

/// Only the owner may read it.
fn write_privately(file: &Path, text: &str) -> Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut out = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    out.write_all(text.as_bytes()).with_context(|| format!("cannot write {}", file.display()))
}
