//! `masar`, the only binary.

use std::process::ExitCode;

/// Batches come and go in large pieces on all threads, which the C library's allocator is slow at.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    masar::cli::main()
}
