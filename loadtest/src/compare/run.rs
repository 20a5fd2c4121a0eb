//! The course of a comparison: trials made one after another until none is missing.

use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use comparison::record::Trials;
use comparison::{Scenario, TrialKey};

use super::args::CompareArgs;
use super::finish;
use super::job::{Job, Place, list, scenarios};
use super::out_dir::OutDir;
use super::progress::{AROUND, Progress, QUICK_AROUND, say};
use super::rig::{Rig, remove_leftovers};
use super::trial::Trial;
use crate::local::{INTERRUPTED, RunDir, interrupted};
use crate::locust::{Locust, Spinner};

/// Trials that fail one after the other until the rest is not tried: what stops two will stop all.
const FAILURES_IN_A_ROW: u32 = 2;

/// What one trial came to.
enum Outcome {
    /// Its record is written.
    Made,
    /// It failed; why.
    Failed(String),
    /// A signal came.
    Interrupted(&'static str),
}

/// Makes the comparison; exit code 0 only when all of it was made and both autoscalers saw the same load.
///
/// # Errors
/// Whatever stands in the way, with what to do about it. Nothing that was started stays.
pub(crate) async fn run(args: CompareArgs) -> Result<ExitCode> {
    if args.list {
        print!("{}", list()?);
        return Ok(ExitCode::SUCCESS);
    }
    if args.report_only {
        let scenarios = scenarios(&args)?;
        refuse_missing(&args.out, &scenarios)?;
        return conclude(&args.out, &scenarios);
    }
    let mut signal = pin!(interrupted());
    let job = tokio::select! {
        job = Job::check(&args) => job?,
        signal = &mut signal => bail!("stopped by {signal}"),
    };
    let locust = tokio::select! {
        locust = install_locust() => locust?,
        signal = &mut signal => bail!("stopped by {signal}"),
    };
    let out = OutDir::claim(&args.out, &job.inputs()?)?;
    let run_dir = RunDir::claim(&args.dir)?;
    if let Place::Foreign(cluster) = &job.place {
        for scenario in &job.scenarios {
            remove_leftovers(&cluster.client, &scenario.namespace).await?;
        }
    }
    let comparing = Comparing {
        job: &job,
        locust: &locust,
        out: out.path(),
        run_dir: &run_dir,
    };
    let made = comparing.make_trials(signal.as_mut()).await;
    run_dir.clear().context("cannot remove the run's files")?;
    match made? {
        None => conclude(out.path(), &job.scenarios),
        Some(signal) => {
            say(&format!(
                "stopped by {signal}; complete trials are kept in {}, and the same command goes on with the rest",
                out.path().display()
            ));
            Ok(ExitCode::from(INTERRUPTED))
        }
    }
}

async fn install_locust() -> Result<Locust> {
    let spinner = Spinner::stderr();
    Ok(Locust::ensure(&|step: &str| spinner.step(step)).await?)
}

/// A comparison that is being made.
struct Comparing<'a> {
    job: &'a Job,
    locust: &'a Locust,
    out: &'a Path,
    run_dir: &'a RunDir,
}

impl Comparing<'_> {
    /// Makes all trials that are missing; the signal that ended it early, if one did.
    async fn make_trials(
        &self,
        mut signal: Pin<&mut impl Future<Output = &'static str>>,
    ) -> Result<Option<&'static str>> {
        let pending = self.pending()?;
        let all: usize = self
            .job
            .scenarios
            .iter()
            .map(|scenario| scenario.trials as usize * self.job.autoscalers.len())
            .sum();
        let load: u32 = pending
            .iter()
            .map(|(scenario, _)| scenario.load.seconds())
            .sum();
        let count = u32::try_from(pending.len()).unwrap_or(u32::MAX).max(1);
        let around = if self.job.quick { QUICK_AROUND } else { AROUND };
        let per_trial = Duration::from_secs(load.into()) / count + around;
        let mut progress = Progress::new(all, all - pending.len().min(all), per_trial);
        let mut failures = Vec::new();
        let mut in_a_row = 0;
        for (scenario, key) in pending {
            progress.begin(&scenario.name, key, scenario.trials);
            match self
                .make_trial(scenario, key, &mut progress, signal.as_mut())
                .await?
            {
                Outcome::Made => {
                    in_a_row = 0;
                    progress.end("done");
                }
                Outcome::Failed(why) => {
                    in_a_row += 1;
                    progress.end(&format!("failed: {why}"));
                    failures.push(format!("{} {}: {why}", scenario.name, key.directory()));
                    if in_a_row == FAILURES_IN_A_ROW {
                        break;
                    }
                }
                Outcome::Interrupted(signal) => return Ok(Some(signal)),
            }
        }
        if failures.is_empty() {
            return Ok(None);
        }
        bail!(
            "{} of {all} trials failed; the same command makes them again:\n  {}",
            failures.len(),
            failures.join("\n  ")
        )
    }

    /// Trials that are not complete, scenario by scenario, of the autoscalers that were asked for.
    fn pending(&self) -> Result<Vec<(&Scenario, TrialKey)>> {
        let mut pending = Vec::new();
        for scenario in &self.job.scenarios {
            let keys = Trials::new(self.out, scenario).pending()?;
            let wanted = keys
                .into_iter()
                .filter(|key| self.job.autoscalers.contains(&key.autoscaler));
            pending.extend(wanted.map(|key| (scenario, key)));
        }
        Ok(pending)
    }

    /// Makes one trial; whatever happens, what it started is ended, and its logs are kept.
    async fn make_trial(
        &self,
        scenario: &Scenario,
        key: TrialKey,
        progress: &mut Progress,
        signal: Pin<&mut impl Future<Output = &'static str>>,
    ) -> Result<Outcome> {
        let dir = self.run_dir.path().join(key.directory());
        fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        let trial = Trial {
            job: self.job,
            scenario,
            key,
            locust: self.locust,
            dir: &dir,
        };
        let mut rig = Rig::default();
        let made = tokio::select! {
            made = trial.make(&mut rig, progress) => Ok(made),
            signal = signal => Err(signal),
        };
        progress.step("stopping");
        let stopped = rig.stop().await;
        let trials = Trials::new(self.out, scenario);
        let outcome = match made {
            Err(signal) => Outcome::Interrupted(signal),
            Ok(made) => match made.and_then(|record| Ok(trials.write(&record)?)) {
                Ok(()) => {
                    keep(&dir, &trials.path().join(key.directory()))?;
                    Outcome::Made
                }
                Err(error) => {
                    let logs = trials.path().join(format!("{}-failed", key.directory()));
                    keep(&dir, &logs)?;
                    let why = crate::sentence(&error);
                    Outcome::Failed(format!("{why} (logs: {})", logs.display()))
                }
            },
        };
        fs::remove_dir_all(&dir).with_context(|| format!("cannot remove {}", dir.display()))?;
        stopped?;
        Ok(outcome)
    }
}

/// Fails when `out` lacks trials that a report needs.
fn refuse_missing(out: &Path, scenarios: &[Scenario]) -> Result<()> {
    let mut missing = Vec::new();
    for scenario in scenarios {
        let pending = Trials::new(out, scenario).pending()?.len();
        if pending > 0 {
            missing.push(format!("{pending} of {}", scenario.name));
        }
    }
    anyhow::ensure!(
        missing.is_empty(),
        "no report without all trials, and {} lacks {}: run the same command without --report-only",
        out.display(),
        missing.join(", ")
    );
    Ok(())
}

/// Judges and draws every scenario of which `out` holds all trials.
fn conclude(out: &Path, scenarios: &[Scenario]) -> Result<ExitCode> {
    let mut differences = Vec::new();
    for scenario in scenarios {
        let missing = Trials::new(out, scenario).pending()?;
        if !missing.is_empty() {
            println!(
                "{}: {} trials are still to be made, so there is nothing to compare yet: run the same command without \
                 --autoscalers",
                scenario.name,
                missing.len()
            );
            continue;
        }
        let comparison = finish::scenario(out, scenario)?;
        differences.extend(finish::load_difference(&comparison));
    }
    if differences.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    Err(anyhow!(differences.join("\n")))
}

/// Keeps the logs and Locust's own files of a trial in `to`.
fn keep(trial_dir: &Path, to: &Path) -> Result<()> {
    for name in ["logs", "locust"] {
        let (from, to) = (trial_dir.join(name), to.join(name));
        if from.is_dir() {
            copy_files(&from, &to)
                .with_context(|| format!("cannot keep {} in {}", from.display(), to.display()))?;
        }
    }
    Ok(())
}

/// Copies the files of a folder, into another file system too.
fn copy_files(from: &Path, to: &PathBuf) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}
