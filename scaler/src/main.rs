//! Entry point of the `scaler` binary; everything else lives in the library.

use std::process::ExitCode;

use clap::Parser;
use scaler::cli::{Cli, Command};

/// Thousands of streams and windows come and go in small pieces, which is what it is made for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Run(args) => scaler::run::main(*args),
        Command::Check(args) => scaler::check::main(&args),
        Command::Explain(args) => scaler::explain::main(&args),
        Command::Replay(args) => scaler::replay::main(&args),
        Command::Crd => scaler::crd::main(),
        Command::Convert(args) => scaler::convert::main(&args),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
