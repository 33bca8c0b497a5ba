//! `masar`, the only binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    masar::cli::main()
}
