//! Entry point: see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    probe_agent::cli::main()
}
