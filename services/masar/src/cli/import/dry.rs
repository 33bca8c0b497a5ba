//! A dry run: every row is mapped and checked against the form of its shipped package, and nothing is submitted.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use anyhow::Result;
use jiff::Timestamp;
use masar_proto::intake::v1::SubmitCaseRequest;
use masar_proto::{json, time};
use masar_runtime::Clock;
use masar_workflow::Catalog;

/// Judges rows as a server would.
pub(super) struct DryRun {
    catalog: Catalog,
    now: Timestamp,
    /// Hashes of the keys that came before: eight bytes a row, and a mistake less likely than a broken disk.
    seen: HashSet<u64>,
    hasher: RandomState,
}

impl DryRun {
    /// # Errors
    /// When a shipped package is damaged, which a test excludes.
    pub(super) fn new() -> Result<Self> {
        let now = Clock::wall().now();
        Ok(Self { catalog: Catalog::shipped()?, now, seen: HashSet::new(), hasher: RandomState::new() })
    }

    /// Whether a case came before.
    ///
    /// # Errors
    /// Why a server would reject it.
    pub(super) fn check(&mut self, tenant: Option<&str>, case: SubmitCaseRequest) -> Result<bool, String> {
        let package = self.catalog.for_case_type(&case.case_type);
        let package = package
            .ok_or_else(|| format!("UNKNOWN_CASE_TYPE: no shipped package has `{}` cases", case.case_type))?;
        if time::from_proto(case.received_at.as_ref()).is_some_and(|at| at > self.now) {
            return Err("INVALID: received_at: lies in the future".to_owned());
        }
        let key = (tenant, &case.source_system, &case.external_ref);
        let key = self.hasher.hash_one(key);
        let form = json::from_struct(case.form.unwrap_or_default());
        let wrong = package.violations(&package.definition().opening_form, &form);
        if !wrong.is_empty() {
            let wrong: Vec<_> =
                wrong.iter().map(|wrong| format!("{}: {}", wrong.field, wrong.message)).collect();
            return Err(format!("INVALID: {}", wrong.join("; ")));
        }
        Ok(!self.seen.insert(key))
    }
}
