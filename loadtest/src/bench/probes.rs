//! What the probes cost: per event, for a shop under load, and of the agent that reads them.
//!
//! ```text
//! events  a load that causes one kind of event ─▶ ns in our programs, per event; the same of peers
//! shop    demo shop under Locust: none │ core │ all metrics, in turns ─▶ CPU, latency by turn
//! agent   many containers, all metrics ─▶ the agent's own CPU, memory, size of a report
//!           └─▶ report (table, JSON) ─▶ picture, beside the thesis' figures 9 to 11
//! ```
//!
//! Everything that is compared takes turns within one run, so that a machine that warms up, slows down
//! or gets another neighbour meanwhile does so to all sides.

mod cgroup;
mod events;
mod picture;
mod report;
mod shop;
mod thesis;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};
use nix::unistd::geteuid;

pub use report::Report;

use super::agent;
use crate::json_file;
use crate::local::{DEFAULT_PARENT, Machine, Programs, unless_interrupted};

/// Options of `bench probes`.
#[derive(Debug, Args)]
pub struct ProbesArgs {
    /// Write the result as JSON to FILE, or to standard output
    #[arg(long, value_name = "FILE", env = "VIPERSCALE_JSON", num_args = 0..=1, default_missing_value = "-")]
    pub json: Option<PathBuf>,
    /// Draw overhead as in the thesis' figures 9 to 11, its numbers beside ours, to this PNG file
    #[arg(long, value_name = "FILE", env = "VIPERSCALE_PICTURE")]
    pub picture: Option<PathBuf>,
    /// What to measure
    #[arg(long, env = "VIPERSCALE_PARTS", value_enum, value_delimiter = ',', default_values_t = Part::ALL)]
    pub parts: Vec<Part>,
    /// events: how often each program is measured; the medians count
    #[arg(long, env = "VIPERSCALE_ROUNDS", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rounds: u32,
    /// events: how long each measurement takes, in milliseconds
    #[arg(long, env = "VIPERSCALE_ROUND_MS", default_value_t = 500, value_parser = clap::value_parser!(u64).range(50..=60_000))]
    pub round_ms: u64,
    #[command(flatten)]
    shop: shop::ShopArgs,
    /// agent: containers that are measured
    #[arg(long, env = "VIPERSCALE_CONTAINERS", default_value_t = 250, value_parser = clap::value_parser!(u32).range(1..=400))]
    pub containers: u32,
    /// agent: how long it is measured
    #[arg(long, env = "VIPERSCALE_AGENT_SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(5..=3600))]
    pub agent_seconds: u32,
    /// Where logs and state go while it runs
    #[arg(long, env = "VIPERSCALE_DIR", default_value_os_t = PathBuf::from(DEFAULT_PARENT).join("bench-probes"))]
    pub dir: PathBuf,
}

/// Parts that can be measured by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Nanoseconds per event, beside other tools
    Events,
    /// CPU and latency of the demo shop under load
    Shop,
    /// The agent's own CPU and memory
    Agent,
}

impl Part {
    const ALL: [Self; 3] = [Self::Events, Self::Shop, Self::Agent];
}

/// Measures and prints. A goal that is missed is a result, not an error.
///
/// # Errors
/// Without root, without BTF, when a program cannot be loaded, or when the shop or the agent cannot be
/// measured. A missing peer is none: its numbers are then null, with the reason.
pub async fn run(args: ProbesArgs) -> Result<()> {
    json_file::check_output(args.json.as_deref())?;
    if let Some(picture) = &args.picture {
        ensure!(
            picture != Path::new("-"),
            "--picture -: a picture is no text; name a file"
        );
        json_file::check_writable_for("--picture", picture)?;
        ensure!(
            args.parts.contains(&Part::Shop),
            "--picture shows the shop's overhead: expected `shop` in --parts"
        );
    }
    ensure!(
        geteuid().is_root(),
        "measuring eBPF programs takes root: run with sudo"
    );
    if args.parts != [Part::Events] {
        // Known now, and not after an hour.
        let programs = Programs::beside_this_one()?;
        Machine::inspect(&[&programs.probe_agent, &programs.scaler, &programs.demo_shop])
            .check()?;
    }
    let mut report = Report::default();
    let outcome = measure(&args, &mut report).await;
    if outcome.is_err() {
        // Whoever waited for the parts that came before may still want them.
        eprint!("{report}");
        return outcome;
    }
    if let (Some(picture), Some(shop)) = (&args.picture, &report.shop) {
        picture::write(shop, picture)?;
    }
    json_file::print(&report, args.json.as_deref())
}

/// Measures part by part, the quietest first: the others leave caches behind.
async fn measure(args: &ProbesArgs, report: &mut Report) -> Result<()> {
    if args.parts.contains(&Part::Events) {
        let time = Duration::from_millis(args.round_ms);
        report.events = Some(unless_interrupted(events::measure(args.rounds, time)).await?);
    }
    if args.parts.contains(&Part::Shop) {
        report.shop = Some(shop::measure(&args.shop, &args.dir).await?);
    }
    if args.parts.contains(&Part::Agent) {
        let agent = agent::AgentArgs {
            containers: args.containers,
            seconds: args.agent_seconds,
            metrics: agent::MetricSet::All,
            json: None,
            dir: args.dir.clone(),
        };
        report.agent = Some(agent::measure(&agent).await?);
    }
    Ok(())
}
