//! What the node agent takes of a machine: CPU and memory, while it measures containers that are
//! under load and reports to a scaler.
//!
//! ```text
//!  local cluster ─▶ N pods of the demo shop ◀─ a few requests a second to each ── trickle
//!        │               ▲ measured
//!     scaler ◀─ reports ─┴─ probe-agent ◀─ its CPU clock, its memory ── usage
//! ```
//!
//! Everything is real and starts as a child of this program; all of it is stopped however the run
//! ends. The time that the eBPF programs take is not the agent's: `bench probes` measures that.

pub(super) mod manifests;
pub(super) mod metrics;
mod report;
mod rig;
mod trickle;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};

use report::Measured;
pub use report::Report;

use crate::json_file;
use crate::local::{DEFAULT_PARENT, Machine, Programs, RunDir, unless_interrupted};
use crate::locust::Spinner;
use crate::usage::Usage;
use rig::{Rig, Target};
use trickle::Trickle;

/// Between the first decision and the measurement: by then no pod is new to anybody, and what
/// starting has taken is in no number but the peak.
const SETTLE: Duration = Duration::from_secs(5);

/// How often the processes are looked at while time passes.
const WATCH: Duration = Duration::from_millis(500);

/// Options of `bench agent`.
#[derive(Debug, Args)]
pub struct AgentArgs {
    /// Containers that are measured
    #[arg(long, env = "VIPERSCALE_CONTAINERS", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=400))]
    pub containers: u32,
    /// What is measured of each
    #[arg(long, env = "VIPERSCALE_METRICS", value_enum, default_value_t)]
    pub metrics: MetricSet,
    /// How long to measure
    #[arg(long, env = "VIPERSCALE_SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(5..=3600))]
    pub seconds: u32,
    /// Write the result as JSON to FILE, or to standard output
    #[arg(long, value_name = "FILE", env = "VIPERSCALE_JSON", num_args = 0..=1, default_missing_value = "-")]
    pub json: Option<PathBuf>,
    /// Where logs and state go while it runs
    #[arg(long, env = "VIPERSCALE_DIR", default_value_os_t = PathBuf::from(DEFAULT_PARENT).join("bench-agent"))]
    pub dir: PathBuf,
}

/// How much is measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum MetricSet {
    /// What decisions rest on
    #[default]
    Core,
    /// Every metric there is
    All,
}

/// Measures and prints. A goal that is missed is a result, not an error.
///
/// # Errors
/// Whatever stands in the way, with what to do about it. Nothing that was started stays.
pub async fn run(args: AgentArgs) -> Result<()> {
    json_file::check_output(args.json.as_deref())?;
    json_file::print(&measure(&args).await?, args.json.as_deref())
}

/// Measures.
///
/// # Errors
/// As for [`run`].
pub(super) async fn measure(args: &AgentArgs) -> Result<Report> {
    let programs = Programs::beside_this_one()?;
    Machine::inspect(&[&programs.probe_agent, &programs.scaler, &programs.demo_shop]).check()?;
    let run_dir = RunDir::claim(&args.dir)?;

    let mut rig = Rig::default();
    let outcome = unless_interrupted(start_and_observe(args, &programs, &run_dir, &mut rig)).await;
    rig.stop().await;
    run_dir.conclude(outcome)
}

async fn start_and_observe(
    args: &AgentArgs,
    programs: &Programs,
    run_dir: &RunDir,
    rig: &mut Rig,
) -> Result<Report> {
    let spinner = Spinner::stderr();
    spinner.step("starting the local cluster, its pods, the scaler and the agent");
    let target = rig
        .start(programs, run_dir, args.containers, args.metrics)
        .await?;
    let trickle = Trickle::new(&target.url, args.containers)?;
    tokio::select! {
        never = trickle.run() => match never {},
        report = observe(args, rig, &target, &trickle, &spinner) => report,
    }
}

/// Waits until the agent reports on everything, then measures it.
async fn observe(
    args: &AgentArgs,
    rig: &mut Rig,
    target: &Target,
    trickle: &Trickle,
    spinner: &Spinner,
) -> Result<Report> {
    spinner.step("waiting for reports");
    rig.wait_for_reports(target, args.containers).await?;
    pass(rig, SETTLE).await?;

    spinner.step(&format!("measuring for {} s", args.seconds));
    // Telling its metrics costs the agent something: outside of the measurement.
    let sent_before = target.agent.reports_sent().await?;
    let requests_before = trickle.count();
    let (before, since) = (Usage::of(target.agent_pid)?, Instant::now());
    pass(rig, Duration::from_secs(args.seconds.into())).await?;
    let (after, took) = (Usage::of(target.agent_pid)?, since.elapsed());
    let reports = target.agent.reports_sent().await? - sent_before;
    if reports == 0 {
        bail!("the agent has sent no report while it was measured");
    }
    let measured = Measured {
        took,
        before,
        after,
        reports,
        report_bytes: target.agent.report_bytes().await?,
        requests: trickle.count() - requests_before,
    };
    Ok(Report::new(args.containers, args.metrics, measured))
}

/// Lets `time` pass; fails when a process ends meanwhile.
async fn pass(rig: &mut Rig, time: Duration) -> Result<()> {
    let end = tokio::time::Instant::now() + time;
    while tokio::time::Instant::now() < end {
        rig.check()?;
        tokio::time::sleep_until(end.min(tokio::time::Instant::now() + WATCH)).await;
    }
    rig.check()
}
