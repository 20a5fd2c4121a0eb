//! `cargo ebpf`.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use ebpf_build::{Dist, Freshness, Kind, Toolchain, compile, ebpf_root, set_up};

/// Builds the kernel programs into ebpf/dist.
#[derive(Debug, Parser)]
#[command(name = "cargo ebpf", args_conflicts_with_subcommands = true)]
struct Arguments {
    /// Build nothing; exit with 1 if ebpf/dist is not what the sources would make.
    #[arg(long)]
    check: bool,
    /// Take this toolchain instead of the first that is found.
    #[arg(long, value_enum)]
    toolchain: Option<Kind>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Install what is missing to build; on Debian with apt, elsewhere with rustup.
    Setup,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let dist = Dist::of(&ebpf_root());
    match arguments {
        Arguments {
            command: Some(Command::Setup),
            ..
        } => set_up()?,
        Arguments { check: true, .. } => {
            let freshness = dist.check()?;
            println!("{freshness}");
            if freshness != Freshness::Fresh {
                return Ok(ExitCode::FAILURE);
            }
        }
        Arguments { toolchain, .. } => {
            let toolchain = Toolchain::find(toolchain)?;
            println!("Building the kernel programs with {toolchain}");
            let object = compile(&ebpf_root(), &toolchain)?;
            dist.write(&object)?;
            println!("Wrote {} ({} bytes)", dist.object().display(), object.len());
        }
    }
    Ok(ExitCode::SUCCESS)
}
