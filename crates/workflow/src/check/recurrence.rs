//! Recurrence: what makes cases the same is known of them, and what is proposed is proposed at some time.

use std::collections::BTreeSet;

use masar_worktime::Unit;

use crate::finding::Found;
use crate::recurrence::RECURRENCE;
use crate::{Code, Definition};

pub(super) fn check(definition: &Definition, found: &Found) {
    let sets = definition.transitions.iter().flat_map(|way| way.sets.keys());
    let facts: BTreeSet<_> = definition.facts.keys().chain(sets).map(String::as_str).collect();
    for (code, rule) in &definition.recurrence {
        let wrong = |place: &str, problem: String| {
            let path = format!("recurrence/{code}{place}");
            found.add(Code::Recurrence, &path, format!("the recurrence `{code}` {problem}"));
        };
        if rule.same.is_empty() {
            wrong("/same", "compares nothing: name facts of the case, such as service".to_owned());
        }
        for (number, fact) in rule.same.iter().enumerate().filter(|(_, fact)| !facts.contains(fact.as_str()))
        {
            let place = format!("/same/{number}");
            wrong(&place, format!("compares `{fact}`, which no form says of a case: add it to `facts`"));
        }
        if rule.within.unit != Unit::Elapsed || rule.within.amount == 0 {
            wrong("/within", "counts back in elapsed time: write such as `30 days`".to_owned());
        }
        match (rule.threshold, &rule.proposes) {
            (Some(0 | 1), _) => {
                wrong("/threshold", "comes again with the second case at the earliest".to_owned())
            }
            (Some(_), Some(_)) | (None, None) => {}
            _ => wrong("", "needs `threshold` and `proposes` together".to_owned()),
        }
    }
    if !definition.recurrence.is_empty() && facts.contains(RECURRENCE) {
        let message = format!("the fact `{RECURRENCE}` is the system's own here: choose another name");
        found.add(Code::Recurrence, "recurrence", message);
    }
}
