//! The stock HPA with its whole metrics chain, on the case that was measured on a real one: one pod,
//! request 100m, limit 200m, target 50 %, 1 to 20 replicas, idle to saturated in one instant.
//!
//! ```text
//!  local cluster: HPA controller ◀─ metrics.k8s.io ◀─ node: cAdvisor's looks, metrics-server's polls
//!        │ PUT scale                                    │ their schedule
//!        ▼                                              ▼
//!  trial: fresh Deployment + HPA ─▶ idle ─▶ phase ─▶ step ─▶ patches until 16 replicas ─▶ removed
//! ```
//!
//! Three periods, not in phase with each other, decide when the first patch comes: each container is
//! looked at every 10-20 s, all are polled every 15 s, the controller syncs every 15 s. With free
//! phases that takes 9 to 47 s, and one time in eight falls into what was measured (9.5-17.9 s);
//! `stock-hpa`'s test `measured_case` prints the distribution. The measurement does not tell its
//! phases. So `--phase measured` waits for a moment of the running, unaltered chain from which the
//! measured range can be reached (see [`phase`]); `--phase free` takes any.

mod manifests;
mod phase;
mod report;
mod rig;
mod schedule;
#[cfg(test)]
mod simulation;
mod spin;
mod trial;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::Serialize;

pub use phase::Phases;
pub use report::Report;
pub use spin::{SpinArgs, spin};
pub use trial::{Patch, Trial};

use crate::json_file;
use crate::local::{DEFAULT_PARENT, Machine, Programs, RunDir, unless_interrupted};
use crate::locust::Spinner;
use rig::Rig;

/// How long a trial takes, as long as none has been made.
const TYPICAL_TRIAL: Duration = Duration::from_secs(150);

/// Options of `bench hpa`.
#[derive(Debug, Args)]
pub struct HpaArgs {
    /// How often to try
    #[arg(long, env = "VIPERSCALE_TRIALS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub trials: u32,
    /// At which moment of the chain's three periods the load steps up
    #[arg(long, value_enum, env = "VIPERSCALE_PHASE", default_value_t)]
    pub phase: Phase,
    /// Seed of what is left to chance: the moment within what the phase allows
    #[arg(long, env = "VIPERSCALE_SEED", default_value_t = 1)]
    pub seed: u64,
    /// Write the result as JSON to FILE, or to standard output
    #[arg(long, value_name = "FILE", env = "VIPERSCALE_JSON", num_args = 0..=1, default_missing_value = "-")]
    pub json: Option<PathBuf>,
    /// Where logs and state go while it runs
    #[arg(long, env = "VIPERSCALE_DIR", default_value_os_t = PathBuf::from(DEFAULT_PARENT).join("bench-hpa"))]
    pub dir: PathBuf,
}

/// Which moments the load may step up at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// One from which the measured range can be reached. The measurement that the result is held
    /// against does not tell its phases, and free ones reach its range one time in eight
    #[default]
    Measured,
    /// Any, by the seed
    Free,
}

/// Tries, and prints what came out. Numbers outside of the measured ranges are a result, not an
/// error.
///
/// # Errors
/// Whatever stands in the way, with what to do about it. Nothing that was started stays; trials that
/// were finished by then are printed.
pub async fn run(args: HpaArgs) -> Result<()> {
    json_file::check_output(args.json.as_deref())?;
    let programs = Programs::beside_this_one()?;
    Machine::inspect(&[]).check()?;
    check_cores()?;
    let run_dir = RunDir::claim(&args.dir)?;

    let mut rig = Rig::default();
    let mut trials = Vec::new();
    let all = try_all(&args, &programs, &run_dir, &mut rig, &mut trials);
    let outcome = unless_interrupted(all).await;
    rig.stop().await;
    let outcome = run_dir.conclude(outcome);
    if !trials.is_empty() {
        json_file::print(
            &Report::new(args.phase, args.seed, trials),
            args.json.as_deref(),
        )?;
    }
    outcome
}

/// Eight pods of 200m have to get their CPU, or they do not look saturated.
fn check_cores() -> Result<()> {
    let cores =
        std::thread::available_parallelism().context("cannot count this machine's cores")?;
    ensure!(
        cores.get() >= 2,
        "the case takes two cores at least, and this machine has one"
    );
    Ok(())
}

async fn try_all(
    args: &HpaArgs,
    programs: &Programs,
    run_dir: &RunDir,
    rig: &mut Rig,
    trials: &mut Vec<Trial>,
) -> Result<()> {
    let spinner = Spinner::stderr();
    spinner.step("starting the local cluster");
    rig.start(programs, run_dir).await?;
    let mut rng = StdRng::seed_from_u64(args.seed);
    let began = Instant::now();
    for number in 1..=args.trials {
        let done = number - 1;
        let each = match done {
            0 => TYPICAL_TRIAL,
            done => began.elapsed() / done,
        };
        let left = (each * (args.trials - done)).as_secs().div_ceil(60);
        let say = |what: &str| {
            spinner.step(&format!(
                "trial {number} of {}, about {left} min left: {what}",
                args.trials
            ));
        };
        let trial = trial::run(rig, number, args.phase, &mut rng, &say).await;
        trials.push(trial.with_context(|| format!("trial {number}"))?);
    }
    Ok(())
}
