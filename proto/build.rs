//! Generates the contracts' code with protox: no protoc is needed.

use std::path::PathBuf;

const SERVICES: [&str; 12] = [
    "access",
    "bus",
    "cases",
    "common",
    "escalation",
    "events",
    "intake",
    "notify",
    "operations",
    "registry",
    "routing",
    "sla",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=masar");
    let mut files = SERVICES.map(|service| format!("masar/{service}/v1/{service}.proto")).to_vec();
    files.push("masar/cases/v1/workflows.proto".to_owned());
    let mut compiler = protox::Compiler::new(["."])?;
    compiler.include_imports(true).include_source_info(true).open_files(files)?;
    // The encoded form keeps the access options, which generated descriptors would drop.
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), compiler.encode_file_descriptor_set())?;
    let descriptors = compiler.file_descriptor_set();
    tonic_prost_build::configure().bytes(".masar.bus.v1").compile_fds(descriptors)?;
    Ok(())
}
