//! Writes the public test vectors: `cargo run --package masar-clock --example vectors -- docs/clock-vectors`.

mod dates;
mod format;
mod lives;
mod made;
mod random;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

fn main() -> Result<()> {
    let folder = std::env::args().nth(1).map(PathBuf::from);
    let folder = folder.context("name the folder to write to, such as docs/clock-vectors")?;
    for (name, file) in made::files()? {
        let path = folder.join(name).with_extension("json");
        fs::write(&path, file.text()?).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}
