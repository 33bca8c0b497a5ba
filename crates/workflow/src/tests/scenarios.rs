//! The scenarios of every package that is shipped, and what they say when they do not hold.

use std::sync::LazyLock;

use crate::{Catalog, shipped_scenarios, trial};

static CATALOG: LazyLock<Catalog> = LazyLock::new(|| Catalog::shipped().unwrap());

#[test]
fn every_shipped_package_does_what_its_scenarios_say_and_they_walk_all_of_it() {
    let mut problems = Vec::new();
    for package in CATALOG.packages() {
        let name = &package.definition().package;
        let trial = trial(package, &shipped_scenarios(name), &|name| CATALOG.in_force(name).cloned());
        for (file, outcomes) in &trial.files {
            match outcomes {
                Err(error) => problems.push(format!("{name}/scenarios/{file}: {error}")),
                Ok(outcomes) => {
                    let failures = outcomes.iter().flat_map(|outcome| &outcome.failures);
                    problems.extend(failures.map(|failure| {
                        format!("{name}/scenarios/{file}:{}: {}", failure.line, failure.message)
                    }));
                }
            }
        }
        let never = trial.coverage.never.iter();
        problems.extend(never.map(|never| format!("{name}: no scenario walks {never}")));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
