//! `demo-shop ROLE`: plays one role of the demo shop until SIGTERM.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use demo_shop::{Arguments, Settings};

fn main() -> ExitCode {
    match play() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn play() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into()),
        )
        .with_writer(std::io::stderr)
        .init();
    let settings = Settings::from_environment(Arguments::parse())?;
    let runtime = settings
        .runtime()
        .context("cannot start the threads of the role")?;
    runtime.block_on(demo_shop::run(settings))?;
    Ok(())
}
