//! `scaler replay`: decides again on what was recorded, with the recorded policies or another one.
//!
//! ```text
//! Recording ─▶ Player: windows, the recorded autoscaler ─▶ the same decision? ─┐
//!                └─▶ WhatIf: the other policy, with replicas of its own ───────┤
//!                                                                              ▼
//!                                       Story per deployment ─▶ text, JSON, plot (SVG, HTML)
//! ```
//!
//! What this can tell, and what not. The core is pure, so that the recorded policy gives the
//! recorded decisions again, to the last bit; that is checked first, on every run. Another policy
//! is asked at the same moments, and what follows from its *own* replica count is its own:
//! bounds, stabilisation, rate limits, and what it remembers of its recommendations and changes.
//! What its metrics ask for is computed from the pods that were really there and carried the load:
//! demand in cores and rates per pod add up to the same load however many pods share it. But the
//! load itself does not react: nobody knows how long threads would have waited with other replica
//! counts, whether failures would have driven users away, or how long those pods would have taken
//! to start. Every output says so.
//!
//! Exit codes: 0 when it was replayed (damage of the recording is told on standard error), 1 when
//! it could not be, 3 when the recorded policies did not give the recorded decisions again.

mod axis;
mod player;
pub mod plot;
mod report;
mod side;
mod story;
mod text;
mod what_if;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use scaler_core::{ScalingPolicy, policy};
use thiserror::Error;

pub use player::{Player, Replayed, Reproduced};
pub use report::{DeploymentReport, Difference, Report};
pub use side::Side;
pub use story::{Point, Step, Story, Turn};

use crate::cli::ReplayArgs;
use crate::policies::target_of;
use crate::recording::{OpenError, Recording};

/// The recorded policies did not give the recorded decisions.
const NOT_REPRODUCED: u8 = 3;

/// Why nothing is replayed.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// The path is no recording.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The policies cannot be read.
    #[error("--policy {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The policies are wrong.
    #[error("--policy is not valid:\n{problems}")]
    Invalid {
        /// One line for each problem.
        problems: String,
    },
    /// Nothing was recorded that the policies are for.
    #[error("{}: nothing recorded of {wanted}; recorded are {recorded}", path.display())]
    NotRecorded {
        /// The recording.
        path: PathBuf,
        /// What was asked for.
        wanted: String,
        /// What there is.
        recorded: String,
    },
    /// A picture of another kind.
    #[error("--plot {}: expected a name that ends in .svg or .html", path.display())]
    Picture {
        /// What was given.
        path: PathBuf,
    },
    /// The picture cannot be written.
    #[error("--plot {}: {source}", path.display())]
    Write {
        /// What was given.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Replays and prints.
///
/// # Errors
/// See [`ReplayError`], and when the outcome cannot be printed.
pub fn main(args: &ReplayArgs) -> anyhow::Result<ExitCode> {
    let picture = args.plot.as_deref().map(picture_kind).transpose()?;
    let report = replay(
        &args.recording,
        args.policy.as_deref(),
        args.only.as_deref(),
    )?;
    if let (Some(path), Some(kind)) = (&args.plot, picture) {
        let drawn = match kind {
            Picture::Svg => plot::svg(&report),
            Picture::Html => plot::html(&report),
        };
        fs::write(path, drawn).map_err(|source| ReplayError::Write {
            path: path.clone(),
            source,
        })?;
    }
    for damage in &report.damage {
        eprintln!("warning: {damage}; what follows in that file was not read");
    }
    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &report)?;
        writeln!(out)?;
    } else {
        write!(out, "{}", text::render(&report, args.all))?;
    }
    Ok(match report.is_reproduced() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(NOT_REPRODUCED),
    })
}

/// Replays the recording at `path`, of all deployments or of `only` (`NAMESPACE/NAME`), and asks
/// the policies in the file `other` what they would have done.
///
/// # Errors
/// See [`ReplayError`].
pub fn replay(
    path: &Path,
    other: Option<&Path>,
    only: Option<&str>,
) -> Result<Report, ReplayError> {
    let others = other.map(read_policies).transpose()?.unwrap_or_default();
    let mut recording = Recording::open(path)?;
    let mut player = Player::new(others.iter().cloned());
    let mut report = report::Builder::new(&others);
    for entry in recording.by_ref() {
        player.play(entry, &mut |replayed| report.take(replayed));
    }
    report.skipped(player.unknown());
    let mut report = report.finish(path, other, recording.damage().to_vec());
    let recorded: Vec<String> = report
        .deployments
        .iter()
        .map(DeploymentReport::key)
        .collect();
    report.deployments.retain(|deployment| {
        only.is_none_or(|only| only == deployment.key())
            && (other.is_none() || deployment.would_be.is_some())
    });
    if report.deployments.is_empty() {
        let targets = others.iter().map(|policy| target_of(policy).to_string());
        let wanted = match only {
            Some(only) => only.to_owned(),
            None if others.is_empty() => "any deployment".to_owned(),
            None => targets.collect::<Vec<_>>().join(", "),
        };
        return Err(ReplayError::NotRecorded {
            path: path.to_owned(),
            wanted,
            recorded: match recorded.is_empty() {
                true => "none".to_owned(),
                false => recorded.join(", "),
            },
        });
    }
    Ok(report)
}

fn read_policies(path: &Path) -> Result<Vec<ScalingPolicy>, ReplayError> {
    let text = fs::read_to_string(path).map_err(|source| ReplayError::Read {
        path: path.to_owned(),
        source,
    })?;
    let invalid = |errors: Vec<policy::PolicyError>| ReplayError::Invalid {
        problems: errors.iter().map(|error| format!("  {error}\n")).collect(),
    };
    let policies = policy::load(&text, &path.display().to_string()).map_err(invalid)?;
    policy::check_set(&policies).map_err(invalid)?;
    Ok(policies)
}

#[derive(Clone, Copy)]
enum Picture {
    Svg,
    Html,
}

fn picture_kind(path: &Path) -> Result<Picture, ReplayError> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("svg") => Ok(Picture::Svg),
        Some("html" | "htm") => Ok(Picture::Html),
        _ => Err(ReplayError::Picture {
            path: path.to_owned(),
        }),
    }
}
