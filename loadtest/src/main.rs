//! Entry point of the harness; everything else lives in the library.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    loadtest::run(loadtest::cli::Cli::parse()).unwrap_or_else(|error| {
        eprintln!("error: {}", loadtest::sentence(&error));
        ExitCode::FAILURE
    })
}
