//! The table of acceptance checks and the tests that it names.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// A line of the table: the number of the check, and the file and name of a test.
fn proof(line: &str) -> Option<(u8, &str, &str)> {
    let cells: Vec<_> = line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect();
    let [check, _, file, test] = cells.as_slice() else { return None };
    Some((check.parse().ok()?, file, test))
}

#[test]
fn every_check_names_a_test_that_is_there() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let table = fs::read_to_string(root.join("docs/acceptance.md"))?;
    let proofs: Vec<_> = table.lines().filter_map(proof).collect();
    let checks: BTreeSet<_> = proofs.iter().map(|(check, ..)| *check).collect();
    assert!((1..=9).all(|check| checks.contains(&check)), "{checks:?}");
    for (check, file, test) in proofs {
        let text = fs::read_to_string(root.join(file)).with_context(|| format!("check {check}: {file}"))?;
        let (before, _) = text
            .split_once(&format!("fn {test}("))
            .with_context(|| format!("check {check}: no {test} in {file}"))?;
        let attribute = before.trim_end_matches("async ").trim_end().lines().next_back().unwrap_or_default();
        assert!(
            attribute.starts_with("#[") && attribute.contains("test"),
            "check {check}: {test} is no test"
        );
    }
    Ok(())
}
