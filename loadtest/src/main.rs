//! Entry point of the harness.

use std::process::ExitCode;

use clap::Parser;

fn main() -> anyhow::Result<ExitCode> {
    loadtest::run(loadtest::cli::Cli::parse())
}
