//! What the scheduler program costs per context switch, beside libbpf-tools' `runqlat`.
//!
//! ```text
//!  two threads hand a byte to and fro on one CPU: every hand-over is a switch and a wake-up
//!  each round:  floor │ ours, unmonitored │ ours, monitored │ runqlat     one attached at a time
//!  per phase:   the kernel's own statistics: ns in the program / runs     medians over rounds
//! ```
//!
//! The kernel reads a clock before and after each run, which is most of what it then reports for a
//! cheap program. The *floor* is what it reports for a program that does nothing; it is subtracted
//! once per run.

mod cgroup;
mod load;
mod phase;
mod report;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use aya::sys::{Stats, enable_stats};
use clap::Args;
use nix::unistd::geteuid;

use cgroup::Stay;
use load::PingPong;
use phase::{Cost, Runqlat};
pub use report::Report;

use crate::json_file;

/// Options of `bench probes`.
#[derive(Debug, Args)]
pub struct ProbesArgs {
    /// Write the result as JSON to FILE, or to standard output
    #[arg(long, value_name = "FILE", env = "VIPERSCALE_JSON", num_args = 0..=1, default_missing_value = "-")]
    pub json: Option<PathBuf>,
    /// How often each program is measured; the medians count
    #[arg(long, env = "VIPERSCALE_ROUNDS", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rounds: u32,
    /// How long each measurement takes, in milliseconds
    #[arg(long, env = "VIPERSCALE_ROUND_MS", default_value_t = 500, value_parser = clap::value_parser!(u64).range(50..=60_000))]
    pub round_ms: u64,
}

/// Measures and prints.
///
/// # Errors
/// Without root, without BTF, or when a program cannot be loaded. A missing `runqlat` is none: its
/// numbers are then null, with the reason.
pub fn run(args: ProbesArgs) -> Result<()> {
    json_file::check_output(args.json.as_deref())?;
    let report = measure(args.rounds, Duration::from_millis(args.round_ms))?;
    json_file::print(&report, args.json.as_deref())
}

/// Measures for `rounds` rounds of `time` per program.
///
/// # Errors
/// As for [`run`].
pub fn measure(rounds: u32, time: Duration) -> Result<Report> {
    ensure!(
        geteuid().is_root(),
        "measuring eBPF programs takes root: run with sudo"
    );
    let _statistics = enable_stats(Stats::RunTime).context("cannot switch on BPF statistics")?;
    let stay = Stay::in_new_cgroup()?;
    let _load = PingPong::start()?;

    let mut floor = Vec::new();
    let (mut unmonitored, mut monitored) = (Vec::new(), Vec::new());
    let mut runqlat: Vec<Cost> = Vec::new();
    let mut without_runqlat = None;
    for _ in 0..rounds {
        floor.push(phase::floor(time)?);
        unmonitored.push(phase::ours(&stay, &[], time)?);
        monitored.push(phase::ours(&stay, &[stay.id()], time)?);
        if without_runqlat.is_none() {
            match Runqlat::start()? {
                Ok(running) => runqlat.push(running.measure(time)?),
                Err(reason) => without_runqlat = Some(reason),
            }
        }
    }
    Ok(Report::from_rounds(
        &floor,
        &unmonitored,
        &monitored,
        &runqlat,
        without_runqlat,
    ))
}
