//! Who calls, and may they? People bring a JWT, systems an API key of which only the hash is kept.

mod door;
mod keys;
mod settings;
mod tokens;

use masar_domain::{Identity, TenantCode};
use tonic::metadata::MetadataMap;
use tonic::{Request, Status};

use crate::refuse;

pub(crate) use door::guard;
pub use settings::{ApiKey, AuthSettings, JwtSettings};
pub use tokens::mint;

/// Who calls, and for which tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The person or system.
    pub identity: Identity,
    /// The tenant that the call is for; one that the identity may act for.
    pub tenant: TenantCode,
}

/// The caller of a request, whom the door let in.
///
/// # Errors
/// `UNAUTHENTICATED` where a request came by another way.
pub fn caller<T>(request: &Request<T>) -> Result<Caller, Status> {
    let caller = request.extensions().get::<Caller>();
    caller.cloned().ok_or_else(|| refuse::unauthenticated("nobody said who calls"))
}

/// Recognises callers by what they bring.
pub struct Authenticator {
    keys: keys::Keys,
    tokens: Option<tokens::Tokens>,
    rules: door::Rules,
}

/// Why callers cannot be recognised.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A secret or key set that is none.
    #[error("{field}: {problem}")]
    Settings {
        /// Where in the configuration.
        field: &'static str,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// The contracts are damaged.
    #[error(transparent)]
    Contracts(#[from] masar_proto::access::Unreadable),
}

impl Authenticator {
    /// An authenticator for the keys and issuers of the configuration.
    ///
    /// # Errors
    /// The setting that is wrong.
    pub fn new(settings: &AuthSettings) -> Result<Self, Error> {
        Ok(Self {
            keys: keys::Keys::new(&settings.api_keys)?,
            tokens: settings.jwt.as_ref().map(tokens::Tokens::new).transpose()?,
            rules: door::Rules::read()?,
        })
    }

    /// Who brings these metadata.
    ///
    /// # Errors
    /// `UNAUTHENTICATED`, with what to bring.
    pub async fn authenticate(&self, metadata: &MetadataMap) -> Result<Identity, Status> {
        let header = metadata.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
        match (header.split_once(' '), &self.tokens) {
            (Some((scheme, key)), _) if scheme.eq_ignore_ascii_case("apikey") => self.keys.find(key.trim()),
            (Some((scheme, token)), Some(tokens)) if scheme.eq_ignore_ascii_case("bearer") => {
                tokens.verify(token.trim()).await
            }
            _ => Err(refuse::unauthenticated(
                "say who you are: metadata `authorization: ApiKey ID.SECRET` or `authorization: Bearer JWT`",
            )),
        }
    }
}

/// The tenant that a call is for: the one it names, or the only one that the caller may act for.
fn tenant(identity: &Identity, metadata: &MetadataMap) -> Result<TenantCode, Status> {
    let known = || identity.tenants.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match metadata.get("masar-tenant").and_then(|value| value.to_str().ok()) {
        Some(named) => {
            let tenant = TenantCode(named.to_owned());
            if identity.may_act_for(&tenant) {
                return Ok(tenant);
            }
            Err(refuse::denied("TENANT", format!("you may not act for `{named}`, only for {}", known())))
        }
        None => match identity.tenants.iter().collect::<Vec<_>>().as_slice() {
            [only] => Ok((*only).clone()),
            _ => Err(refuse::denied(
                "TENANT",
                format!("say in metadata `masar-tenant` which of {} you mean", known()),
            )),
        },
    }
}
