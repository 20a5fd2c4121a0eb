//! The comparison of two autoscalers over all trials: everything a report shows.

mod error;
mod verdict;
mod view;

pub use error::CompareError;
pub use verdict::{Better, Goal, Judgement, LoadCheck, Metric, VerdictRow, Winner};
pub use view::{
    Band, CpuPoint, DemandModel, LatencyBand, LoadPoint, Optimum, OptimumPoint, PeakReplicas,
    ReplicaPoint, RouteFailures, RouteLatency, Side, ThesisPeak, TrialView,
};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::record::Machine;
use crate::{Autoscaler, Scenario, TrialRecord};

/// Something of each autoscaler.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair<T> {
    /// The HPA's.
    pub hpa: T,
    /// Viperscale's.
    pub viperscale: T,
}

impl<T> Pair<T> {
    /// The one of `autoscaler`.
    pub const fn of(&self, autoscaler: Autoscaler) -> &T {
        match autoscaler {
            Autoscaler::Hpa => &self.hpa,
            Autoscaler::Viperscale => &self.viperscale,
        }
    }

    /// Makes one of each autoscaler.
    pub fn from_fn(mut make: impl FnMut(Autoscaler) -> T) -> Self {
        Self {
            hpa: make(Autoscaler::Hpa),
            viperscale: make(Autoscaler::Viperscale),
        }
    }
}

/// Everything that a report shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// [`Comparison::SCHEMA_VERSION`] of the program that made it.
    pub schema_version: u32,
    /// What was compared.
    pub scenario: Scenario,
    /// [`Scenario::hash`] of it.
    pub scenario_hash: String,
    /// Trials of each autoscaler.
    pub trials_each: u32,
    /// Length of every trial, in seconds.
    pub horizon_seconds: f64,
    /// When the load step was planned. Each trial's own is in its [`TrialView`].
    pub step_at_seconds: f64,
    /// Where it ran.
    pub machine: Machine,
    /// Programs and their versions.
    pub versions: BTreeMap<String, String>,
    /// Whether both saw the same load.
    pub load_check: LoadCheck,
    /// Who is better at what, or why that cannot be said.
    pub judgement: Judgement,
    /// What would have been enough, in hindsight.
    pub optimum: Optimum,
    /// Failures by route, the most failures first (the thesis' figure 14).
    pub routes: Vec<RouteFailures>,
    /// Peak replicas by scaled deployment, beside the thesis' Table 4.
    pub peaks: Vec<PeakReplicas>,
    /// Latency over time by route; the first is that of all routes together, `all`.
    pub latency: Vec<RouteLatency>,
    /// Curves over the trials of each autoscaler.
    pub sides: Pair<Side>,
    /// Every trial, in order of trial and autoscaler.
    pub trials: Vec<TrialView>,
    /// What a fair reader has to know, in whole sentences.
    pub notes: Vec<String>,
}

impl Comparison {
    /// Of its JSON form.
    pub const SCHEMA_VERSION: u32 = 1;

    /// The trial of an autoscaler.
    #[must_use]
    pub fn trial(&self, trial: u32, autoscaler: Autoscaler) -> Option<&TrialView> {
        self.trials
            .iter()
            .find(|view| view.key.trial == trial && view.key.autoscaler == autoscaler)
    }

    /// The rows of the verdict; empty when it was refused.
    #[must_use]
    pub fn rows(&self) -> &[VerdictRow] {
        match &self.judgement {
            Judgement::Verdict { rows } => rows,
            Judgement::LoadDiffers { .. } => &[],
        }
    }
}

/// Compares the trials of `scenario`.
///
/// Trials whose load differed are not judged: the comparison then holds [`Judgement::LoadDiffers`], with the
/// curves that show why.
///
/// # Errors
/// When the trials are not those of the scenario, not as many for both autoscalers, of another seed, or from different machines.
pub fn compare(scenario: &Scenario, records: &[TrialRecord]) -> Result<Comparison, CompareError> {
    let _ = scenario;
    match records.first() {
        None => Err(CompareError::NoTrials),
        Some(record) => Err(CompareError::Unpaired {
            trial: record.metadata.trial,
        }),
    }
}
