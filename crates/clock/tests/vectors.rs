//! The public test vectors, and clocks on random calendars: the product and a slow second opinion agree on every answer.

#[path = "../examples/vectors/dates.rs"]
mod dates;
#[path = "../examples/vectors/format.rs"]
mod format;
#[path = "../examples/vectors/lives.rs"]
mod lives;
#[path = "../examples/vectors/made.rs"]
mod made;
mod oracle;
#[path = "../examples/vectors/random.rs"]
mod random;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use format::File;
use serde_json::Value;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/clock-vectors")
}

/// The second opinion on each case of a file; how many there are.
fn agree(text: &str) -> Result<usize> {
    let file: Value = serde_json::from_str(text)?;
    let cases = file["cases"].as_array().context("cases")?;
    for case in cases {
        let opinion = oracle::opinion(&file, case).with_context(|| format!("the case {}", case["name"]))?;
        assert_eq!(case["expected"], opinion, "{case:#}");
    }
    Ok(cases.len())
}

#[test]
fn the_published_vectors_are_what_the_product_answers() -> Result<()> {
    for (name, file) in made::files()? {
        let published = fs::read_to_string(folder().join(name).with_extension("json"))?;
        assert!(published == file.text()?, "{name}.json is not what the example `vectors` writes: run it");
        assert_eq!(serde_json::from_str::<File>(&published)?.format, format::FORMAT);
    }
    Ok(())
}

#[test]
fn a_second_opinion_agrees_with_every_published_vector() -> Result<()> {
    let mut cases = 0;
    for entry in fs::read_dir(folder())? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "json") {
            cases += agree(&fs::read_to_string(&path)?).with_context(|| path.display().to_string())?;
        }
    }
    assert!(cases >= 400, "{cases}");
    Ok(())
}

/// Some seeds of every thousand have a calendar with too few days.
fn agrees_on_seeds(seeds: std::ops::Range<u64>) -> Result<()> {
    let (all, mut asked) = (seeds.end - seeds.start, 0);
    for (calendars, case) in seeds.filter_map(random::case) {
        let file = File::new(masar_domain::BiText::default(), calendars, vec![case])?;
        agree(&file.text()?)?;
        asked += 1;
    }
    assert!(asked * 2 > all, "{asked} of {all}");
    Ok(())
}

#[test]
fn a_second_opinion_agrees_on_random_calendars() -> Result<()> {
    agrees_on_seeds(1_000..1_700)
}

#[test]
fn a_second_opinion_agrees_on_more_random_calendars() -> Result<()> {
    agrees_on_seeds(2_000..2_700)
}

#[test]
fn a_second_opinion_agrees_on_yet_more_random_calendars() -> Result<()> {
    agrees_on_seeds(3_000..3_700)
}
