//! `loadtest fleet`: what the scaler takes for a whole cluster.
//!
//! ```text
//!  plan ─▶ objects ─▶ apiserver (a process) ◀─ watch, PATCH ─ scaler (the real one, a process)
//!     │                  └─ watch of replicas ─▶ probe              ▲ gRPC, one connection each
//!     └──▶ policies, reports (encoded before) ─▶ fleet of agents ───┘ (a thread of this process)
//! ```
//!
//! | module | what |
//! |---|---|
//! | `plan`, `objects`, `policies` | the simulated cluster, by arithmetic |
//! | `apiserver` | a local API server filled with it, without controllers |
//! | `reports`, `codec`, `agent`, `agents` | the agents: real connections and messages, simulated samples |
//! | `probe` | from a report that crosses a threshold to the replica count that follows |
//! | `rig`, `scaler_metrics`, `memory` | the processes, and what they say and take |
//! | `report` | the numbers and their goals |
//!
//! What is real: the scaler, the contract, a TCP and HTTP/2 connection and a stream for each agent,
//! the API server's lists, watches and writes. What is not: containers (their samples are a few
//! fixed variants), pods that start after a change, TLS between agents and scaler, and queues of
//! reports that agents would bring along after an outage.

mod agent;
mod agents;
mod apiserver;
mod codec;
mod memory;
mod objects;
mod plan;
mod policies;
mod probe;
mod report;
mod reports;
mod rig;
mod run;
mod scaler_metrics;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;

pub use apiserver::{ApiserverArgs, serve};
pub use report::{Report, Size};

use crate::json_file;
use crate::local::{Programs, RunDir, unless_interrupted};
use crate::locust::Spinner;
use plan::Plan;
use rig::Rig;

/// Options of `fleet`.
#[derive(Debug, Args)]
pub struct FleetArgs {
    /// Nodes, each with an agent; several sizes, as in 500,1000,2000,5000, are measured in turn
    #[arg(long, env = "VIPERSCALE_NODES", default_value = "5000", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub nodes: Vec<u32>,
    /// Pods on each node, with one container each
    #[arg(long, env = "VIPERSCALE_PODS_PER_NODE", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=110))]
    pub pods_per_node: u32,
    /// Deployments, each with a policy [default: one for 75 pods]
    #[arg(long, env = "VIPERSCALE_POLICIES_COUNT", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub policies: Option<u32>,
    /// How long to measure; 600 tell whether memory grows
    #[arg(long, env = "VIPERSCALE_SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(5..=7200))]
    pub seconds: u32,
    /// Leave out the reconnect storm that follows the measurement
    #[arg(long, env = "VIPERSCALE_NO_STORM")]
    pub no_storm: bool,
    /// Write the result as JSON to FILE, or to standard output
    #[arg(long, value_name = "FILE", env = "VIPERSCALE_JSON", num_args = 0..=1, default_missing_value = "-")]
    pub json: Option<PathBuf>,
    /// Where logs and state go while it runs
    #[arg(long, env = "VIPERSCALE_DIR", default_value_os_t = rig::default_dir())]
    pub dir: PathBuf,
}

/// Measures each size and prints. A goal that is missed is a result, not an error.
///
/// # Errors
/// Whatever stands in the way, with what to do about it. Nothing that was started stays.
pub async fn run(args: FleetArgs) -> Result<ExitCode> {
    json_file::check_output(args.json.as_deref())?;
    let programs = Programs::beside_this_one()?;
    anyhow::ensure!(
        programs.scaler.is_file(),
        "{} is missing: build all programs with `cargo build --release`",
        programs.scaler.display()
    );
    rig::allow_files(args.nodes.iter().copied().max().unwrap_or_default())?;
    let mut sizes = Vec::new();
    for nodes in &args.nodes {
        let plan = Plan::new(*nodes, args.pods_per_node, args.policies);
        sizes.push(one_size(&args, &programs, plan).await?);
    }
    let report = Report::new(sizes).context("--nodes names no size")?;
    json_file::print(&report, args.json.as_deref())?;
    Ok(ExitCode::SUCCESS)
}

/// Starts everything for one size, measures, and stops everything.
async fn one_size(args: &FleetArgs, programs: &Programs, plan: Plan) -> Result<Size> {
    let run_dir = RunDir::claim(&args.dir.join(format!("{}-nodes", plan.nodes)))?;
    let spinner = Spinner::stderr();
    let mut rig = Rig::default();
    let measured = run::measure(args, programs, &run_dir, plan, &mut rig, &spinner);
    let outcome = unless_interrupted(measured).await;
    rig.stop().await;
    run_dir.conclude(outcome)
}
