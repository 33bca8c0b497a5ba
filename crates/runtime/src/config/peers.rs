//! Where services answer: for each the addresses of its replicas.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tonic::transport::Endpoint;

use crate::channel;

/// The addresses of each service that runs in other processes: a list in a file, or with commas between in the
/// environment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Peers(BTreeMap<String, Addresses>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written")]
struct Addresses(Vec<String>);

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    List(Vec<String>),
}

impl From<Written> for Addresses {
    fn from(written: Written) -> Self {
        match written {
            Written::Text(text) => {
                let addresses = text.split(',').map(str::trim).filter(|address| !address.is_empty());
                Self(addresses.map(str::to_owned).collect())
            }
            Written::List(addresses) => Self(addresses),
        }
    }
}

impl<A: IntoIterator<Item = String>> FromIterator<(String, A)> for Peers {
    fn from_iter<T: IntoIterator<Item = (String, A)>>(all: T) -> Self {
        let of_service =
            |(service, addresses): (String, A)| (service, Addresses(addresses.into_iter().collect()));
        Self(all.into_iter().map(of_service).collect())
    }
}

impl Peers {
    /// True when all services are here, or none is named.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The replicas of a service, if it is named.
    #[must_use]
    pub fn of(&self, service: &str) -> Option<&[String]> {
        self.0.get(service).map(|addresses| addresses.0.as_slice())
    }

    /// Every service that is named, with its replicas.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0.iter().map(|(service, addresses)| (service.as_str(), addresses.0.as_slice()))
    }

    pub(super) fn problems(&self) -> Vec<String> {
        let known = channel::contracts();
        let mut problems = Vec::new();
        for (service, addresses) in self.iter() {
            if !known.contains_key(service) {
                let known = known.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                problems.push(format!("peers.{service}: there is no such service: use {known}"));
            }
            if addresses.is_empty() {
                problems
                    .push(format!("peers.{service}: names no address: give one, or leave the service out"));
            }
            for address in addresses.iter().filter(|address| !is_usable(address)) {
                problems.push(format!("peers.{service}: `{address}` is no address: write http://HOST:PORT"));
            }
        }
        problems
    }
}

fn is_usable(address: &str) -> bool {
    Endpoint::from_shared(address.to_owned()).is_ok_and(|endpoint| {
        matches!(endpoint.uri().scheme_str(), Some("http" | "https")) && endpoint.uri().host().is_some()
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use figment::Jail;

    use super::*;
    use crate::config::Settings;

    #[test]
    #[allow(clippy::result_large_err, reason = "the type of the test harness")]
    fn a_file_has_lists_and_the_environment_commas() {
        Jail::expect_with(|jail| {
            jail.create_file(
                "masar.toml",
                "[peers]\nintake = ['http://a:1', 'http://b:1']\nsla = 'http://c:1'\n",
            )?;
            jail.set_env("MASAR_PEERS__CASES", "http://d:1, http://e:1");
            let peers = Settings::load(Some(Path::new("masar.toml"))).expect("it is right").peers;
            let found: Vec<_> =
                peers.iter().map(|(service, addresses)| (service, addresses.join(" "))).collect();
            let expected = [
                ("cases", "http://d:1 http://e:1"),
                ("intake", "http://a:1 http://b:1"),
                ("sla", "http://c:1"),
            ];
            assert_eq!(found, expected.map(|(service, addresses)| (service, addresses.to_owned())));
            assert_eq!(peers.problems(), [""; 0]);
            Ok(())
        });
    }

    #[test]
    fn whatever_cannot_be_asked_is_named() {
        let wrong = [
            ("inteik", vec!["http://a:1"]),
            ("sla", vec![]),
            ("cases", vec!["a:1", "ftp://a:1", "http://a:1"]),
        ];
        let owned = |addresses: Vec<&str>| addresses.into_iter().map(str::to_owned).collect::<Vec<_>>();
        let peers = |(service, addresses): (&str, _)| (service.to_owned(), owned(addresses));
        let problems = wrong.into_iter().map(peers).collect::<Peers>().problems();
        let found: Vec<_> = problems.iter().map(|problem| problem.split(':').next()).collect();
        assert_eq!(
            found,
            ["peers.cases", "peers.cases", "peers.inteik", "peers.sla"].map(Some),
            "{problems:?}"
        );
        assert!(problems[0].contains("`a:1`") && problems[1].contains("`ftp://a:1`"), "{problems:?}");
        assert!(problems[2].contains("escalation, intake"), "{problems:?}");
    }
}
