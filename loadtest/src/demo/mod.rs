//! `loadtest demo`: the whole product on one machine, under a load step.
//!
//! ```text
//! preflight ─▶ Locust installed ─▶ system up ─▶ load step, watched live ─▶ summary ─▶ all down
//! ```
//!
//! However it ends, whatever was started is stopped before the summary is printed.

pub mod system;

pub(crate) mod policies;
mod report;
mod rest;
mod run;
mod screen;
mod timeline;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

pub use rest::{Sighting, Unrest};
pub use timeline::{ReplicaChange, Summary, Timeline};

use crate::json_file;
use crate::local::{DEFAULT_PARENT, Machine, Programs, RunDir, unless_interrupted};
use crate::locust::{LoadPlan, Locust, Spinner};
use system::{Endpoints, System, SystemSpec};

/// Options of `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Seconds of base load before the step
    #[arg(long, env = "VIPERSCALE_BASE_SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u32).range(5..=3600))]
    pub base_seconds: u32,
    /// Seconds of load after the step
    #[arg(long, env = "VIPERSCALE_STEP_SECONDS", default_value_t = 45, value_parser = clap::value_parser!(u32).range(10..=3600))]
    pub step_seconds: u32,
    /// Virtual users before the step [default: about 7 page requests a second]
    #[arg(long, env = "VIPERSCALE_BASE_USERS", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub base_users: Option<u32>,
    /// Virtual users after the step [default: about 70 page requests a second]
    #[arg(long, env = "VIPERSCALE_STEP_USERS", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub step_users: Option<u32>,
    /// Source of the users' choices; the same seed gives the same users
    #[arg(long, env = "VIPERSCALE_SEED", default_value_t = 1)]
    pub seed: u64,
    /// Folder of policies to use instead of the built-in ones
    #[arg(long, env = "VIPERSCALE_POLICIES")]
    pub policies: Option<PathBuf>,
    /// Also write the summary to this file, as JSON
    #[arg(long, env = "VIPERSCALE_JSON", value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Where logs and state go while it runs
    #[arg(long, env = "VIPERSCALE_DIR", default_value_os_t = PathBuf::from(DEFAULT_PARENT).join("demo"))]
    pub dir: PathBuf,
}

/// Runs the demo; exit code 0 only when the step had a deployment scaled up on measured metrics that
/// was at rest before it.
///
/// # Errors
/// Whatever stands in the way, with what to do about it. Nothing that was started stays.
pub async fn run(args: DemoArgs) -> Result<ExitCode> {
    let programs = Programs::beside_this_one()?;
    Machine::inspect(&[&programs.probe_agent, &programs.scaler, &programs.demo_shop]).check()?;
    if let Some(file) = &args.json {
        json_file::check_writable(file)?;
    }
    if let Some(folder) = &args.policies {
        policies::check(&programs.scaler, folder).await?;
    }
    let locust = unless_interrupted(install_locust()).await?;
    let run_dir = RunDir::claim(&args.dir)?;
    let logs = run_dir.logs();
    let spec = SystemSpec {
        programs: &programs,
        dir: run_dir.path(),
        logs: &logs,
        policies: args.policies.as_deref(),
    };

    let mut system = System::default();
    let mut timeline = Timeline::default();
    let mut decisions = Vec::new();
    let outcome = unless_interrupted(async {
        let endpoints = start(&mut system, &spec).await?;
        let plan = plan(&args, &endpoints.frontend);
        let watched = (&mut timeline, &mut decisions);
        run::watch(&locust, &plan, &logs, &mut system, &endpoints, watched).await
    })
    .await;
    if outcome.is_err() {
        eprintln!("stopping what was started ...");
    }
    system.stop().await;
    run_dir.conclude(report::finish(&args, &timeline, &decisions, outcome))
}

async fn install_locust() -> Result<Locust> {
    let spinner = Spinner::stderr();
    Ok(Locust::ensure(&|step: &str| spinner.step(step)).await?)
}

async fn start(system: &mut System, spec: &SystemSpec<'_>) -> Result<Endpoints> {
    let spinner = Spinner::stderr();
    system.start(spec, &|step: &str| spinner.step(step)).await
}

/// The load step that the options describe.
fn plan(args: &DemoArgs, frontend: &str) -> LoadPlan {
    let mut plan = LoadPlan::step(frontend, args.base_seconds, args.step_seconds);
    plan.seed = args.seed;
    for (stage, users) in plan
        .stages
        .iter_mut()
        .zip([args.base_users, args.step_users])
    {
        stage.users = users.unwrap_or(stage.users);
    }
    plan
}
