//! API keys: found by id, compared by the hash of their secret.

use std::collections::HashMap;

use masar_domain::Identity;
use sha2::{Digest, Sha256};
use tonic::Status;

use super::{ApiKey, Error};
use crate::refuse;

pub(super) struct Keys(HashMap<String, ([u8; 32], Identity)>);

impl Keys {
    pub(super) fn new(keys: &[ApiKey]) -> Result<Self, Error> {
        keys.iter()
            .map(|key| Ok((key.id.clone(), (hash(key)?, identity(key)))))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The system whose key this is.
    pub(super) fn find(&self, key: &str) -> Result<Identity, Status> {
        let unknown =
            || refuse::unauthenticated("the API key is not known here: ask your administrator for a new one");
        let (id, secret) = key.split_once('.').ok_or_else(unknown)?;
        let (hash, identity) = self.0.get(id).ok_or_else(unknown)?;
        let given = Sha256::digest(secret.as_bytes());
        // Every byte is looked at, so that the time taken tells nothing.
        let difference = hash.iter().zip(given.iter()).fold(0, |difference, (a, b)| difference | (a ^ b));
        if difference == 0 { Ok(identity.clone()) } else { Err(unknown()) }
    }
}

fn identity(key: &ApiKey) -> Identity {
    Identity {
        subject: format!("system:{}", key.id),
        tenants: key.tenants.clone(),
        roles: key.roles.clone(),
        department: key.department.clone(),
    }
}

fn hash(key: &ApiKey) -> Result<[u8; 32], Error> {
    let bytes: Option<Vec<u8>> = (0..key.sha256.len())
        .step_by(2)
        .map(|at| key.sha256.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok()))
        .collect();
    bytes.and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| Error::Settings {
        field: "auth.api_keys.sha256",
        problem: format!(
            "the hash of `{}` is not 64 hexadecimal characters: write the SHA-256 of the secret",
            key.id
        ),
    })
}
