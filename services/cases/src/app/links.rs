//! The cases that forms name, to which others are linked: looked for once for a whole transaction, before its cases are decided.

use std::collections::{BTreeMap, BTreeSet};

use masar_domain::CaseKey;
use masar_store::Transaction;
use masar_workflow::{Command, Effect, Package, Refusal, Violation};

use super::core::Other;
use crate::store::case;

/// What is asked for a transaction, by entity, and what is there.
#[derive(Default)]
pub(crate) struct Named {
    asked: BTreeMap<String, BTreeSet<CaseKey>>,
    found: Vec<case::Model>,
}

impl Named {
    /// Has the cases looked for that a command names.
    pub(crate) fn ask(&mut self, tenant: &str, package: &Package, command: &Command) {
        for named in package.named_cases(command) {
            if let Ok(key) = named.key.parse() {
                self.asked.entry(tenant.to_owned()).or_default().insert(key);
            }
        }
    }

    /// Looks for what was asked for.
    pub(crate) async fn find(&mut self, tx: &Transaction) -> Result<(), masar_store::Error> {
        for (tenant, keys) in std::mem::take(&mut self.asked) {
            self.found.extend(case::named(tx, &tenant, keys).await?);
        }
        Ok(())
    }

    /// The links that an event asks for, or which of the cases is none that they can be made to. Customers link theirs alone.
    pub(crate) fn links(
        &self,
        row: &case::Model,
        submitter: Option<&str>,
        (package, command): (&Package, &Command),
        effects: &[Effect],
    ) -> Result<Vec<(String, Other)>, Refusal> {
        let (mut links, mut wrong) = (Vec::new(), Vec::new());
        for effect in effects {
            let Effect::Link { link, to } = effect else { continue };
            let there = |other: &&case::Model| {
                other.tenant == row.tenant
                    && submitter.is_none_or(|submitter| submitter == other.submitted_by)
            };
            let message = match self.of(&row.tenant, to).filter(there) {
                Some(other) if other.id == row.id => "this is the case itself: name another".to_owned(),
                Some(other) => {
                    links.push((link.clone(), Other::of(other)));
                    continue;
                }
                None => format!("there is no case `{to}` that you may see: write its reference"),
            };
            let field = package.named_cases(command).find(|named| named.key == to).map(|named| named.field);
            wrong.push(Violation { field: field.unwrap_or_default(), message });
        }
        if wrong.is_empty() { Ok(links) } else { Err(Refusal::Form(wrong)) }
    }

    fn of(&self, tenant: &str, key: &str) -> Option<&case::Model> {
        let key: CaseKey = key.parse().ok()?;
        self.found.iter().find(|row| row.tenant == tenant && row.is(&key))
    }
}
