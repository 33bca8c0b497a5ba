//! What comes again: counted for a whole transaction before its cases are decided, and written with them (CMP-04).

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use masar_store::Transaction;
use masar_workflow::{Case, CaseEvent, Counted, Matter, Noted, Package};
use uuid::Uuid;

use crate::store::case;
use crate::store::recurrence::{self, Model, Question};

/// What is asked for a transaction, what was counted, and the cases that count from it on.
#[derive(Default)]
pub(crate) struct Counts {
    asked: BTreeSet<Question>,
    counted: BTreeMap<Question, Counted>,
    new: BTreeMap<(Uuid, String), Model>,
}

impl Counts {
    /// Has matters counted of which a case that was received at a time may come to be.
    pub(crate) fn ask(&mut self, tenant: &str, package: &Package, matters: BTreeSet<Matter>, at: Timestamp) {
        let questions = matters.iter().filter_map(|matter| question(tenant, package, matter, at));
        self.asked.extend(questions);
    }

    /// Counts what was asked for.
    pub(crate) async fn count(&mut self, tx: &Transaction) -> Result<(), masar_store::Error> {
        if !self.asked.is_empty() {
            self.counted.extend(recurrence::count(tx, std::mem::take(&mut self.asked)).await?);
        }
        Ok(())
    }

    /// The event of a case with what follows from how often the same has happened; from now on the case counts too.
    pub(crate) fn follow(
        &mut self,
        row: &case::Model,
        package: &Package,
        before: Option<&Case>,
        event: CaseEvent,
    ) -> CaseEvent {
        let at = masar_store::time::from_db(row.received_at);
        let asked = |matter: &Matter| question(&row.tenant, package, matter, at);
        let (event, noted) = package.recurring(before, event, |matter| self.so_far(row.id, asked(matter)));
        for Noted { matter, proposed } in noted {
            if let Some(Question { matter: text, by: at, .. }) = asked(&matter) {
                let model = Model { case_id: row.id, rule: matter.rule.clone(), matter: text, at, proposed };
                self.new.insert((row.id, matter.rule), model);
            }
        }
        event
    }

    /// What was counted, and what this transaction has brought since.
    fn so_far(&self, case: Uuid, question: Option<Question>) -> Counted {
        let Some(question) = question else { return Counted::default() };
        let mut counted = self.counted.get(&question).copied().unwrap_or_default();
        for row in self.new.values().filter(|row| row.case_id != case && question.holds(row)) {
            counted.earlier = counted.earlier.saturating_add(1);
            counted.proposed |= row.proposed;
        }
        counted
    }

    /// Writes the cases that count from now on.
    pub(crate) async fn save(self, tx: &Transaction) -> Result<(), masar_store::Error> {
        recurrence::save(tx, self.new.into_values().collect()).await
    }
}

fn question(tenant: &str, package: &Package, matter: &Matter, at: Timestamp) -> Option<Question> {
    let definition = package.definition();
    let rule = definition.recurrence.get(&matter.rule)?;
    let parts =
        [tenant, &definition.package, &matter.rule].into_iter().chain(matter.same.iter().map(String::as_str));
    let text = parts.collect::<Vec<_>>().join("\u{1f}");
    Some(Question::new(text, at, rule.span()))
}
