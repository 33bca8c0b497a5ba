//! The packages that each entity has: those of the installation, and the versions that it has published itself; and which
//! entities there are, and their calendars, for those who need them beside its packages.
//!
//! `cases` takes versions in and tells of them; every service that reads packages keeps its own copy, which its
//! [`Packages`] hold ready. A version is told under a subject of every partition, so that a service knows it before the
//! first case of it, whatever partition that is in.

mod calendars;
mod entities;
mod packages;
mod store;

use masar_bus::{Event, everywhere};
use masar_proto::events::v1::WorkflowChanged;
use masar_proto::{kinds, time};
use masar_workflow::Files;
use sha2::{Digest, Sha256};

pub use calendars::Calendars;
pub use entities::Entities;
pub use packages::{Error, Packages};
pub use store::{alone, find, insert, migration, of_tenant, retire};

/// The events that tell of a version, as it is now, in each of so many partitions.
#[must_use]
pub fn told(changed: &WorkflowChanged, partitions: u16) -> Vec<Event> {
    let (kind, at) = match &changed.retired_at {
        None => (kinds::WORKFLOW_PUBLISHED, changed.published_at.as_ref()),
        retired => (kinds::WORKFLOW_RETIRED, retired.as_ref()),
    };
    let at = time::from_proto(at).unwrap_or_default();
    let subjects = everywhere(&format!("{}/{}", changed.tenant, changed.package), partitions);
    subjects.iter().map(|subject| Event::new(kind, &changed.tenant, subject, at, changed)).collect()
}

/// True for an event that tells of a version.
#[must_use]
pub fn is_told(event: &Event) -> bool {
    [kinds::WORKFLOW_PUBLISHED, kinds::WORKFLOW_RETIRED].contains(&event.kind.as_str())
}

/// What makes the texts of two packages the same: SHA-256 over every path and text with their lengths.
#[must_use]
pub fn digest(files: &Files) -> String {
    let mut hash = Sha256::new();
    for part in files.iter().flat_map(|(path, text)| [path, text]) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
