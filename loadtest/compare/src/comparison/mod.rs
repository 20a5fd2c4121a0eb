//! The comparison of two autoscalers over all trials: everything a report shows.
//!
//! ```text
//!  records ─▶ pairs (do they belong together?) ─▶ load_check (did both see the same load?)
//!          ─▶ measures of each trial ─┬─▶ judge: a row per metric, with goals
//!                                     ├─▶ tables: failures and latency by route, peaks
//!                                     ├─▶ curves: each trial, and all trials of a side
//!                                     └─▶ notes
//! ```

mod curves;
mod error;
mod goals;
mod judge;
mod load_check;
mod metric;
mod notes;
mod pairs;
mod tables;
mod thesis;
mod verdict;
mod view;
mod write;

pub use crate::measure::{DemandModel, Optimum, OptimumPoint};
pub use error::CompareError;
pub use verdict::{Better, Goal, Judgement, LoadCheck, Metric, VerdictRow, Winner};
pub use view::{
    Band, CpuPoint, LatencyBand, LoadPoint, PeakReplicas, ReplicaPoint, RouteFailures,
    RouteLatency, Side, ThesisPeak, TrialView,
};
pub use write::FileError;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::measure::{Trial, optimum};
use crate::record::Machine;
use crate::{Autoscaler, Measures, Scenario, TrialRecord};

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

    /// The HPA's, then Viperscale's.
    pub const fn both(&self) -> [&T; 2] {
        [&self.hpa, &self.viperscale]
    }

    /// The same, taken apart.
    pub fn into_both(self) -> [T; 2] {
        [self.hpa, self.viperscale]
    }

    /// References to both.
    pub const fn as_ref(&self) -> Pair<&T> {
        Pair {
            hpa: &self.hpa,
            viperscale: &self.viperscale,
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
/// When the trials are not those of the scenario, not one of each autoscaler, of another seed, or from different
/// machines.
pub fn compare(scenario: &Scenario, records: &[TrialRecord]) -> Result<Comparison, CompareError> {
    let pairs = pairs::pairs(scenario, records)?;
    let machine = pairs.first().ok_or(CompareError::NoTrials)?;
    let machine = machine.hpa.record.metadata.machine.clone();
    let load_check = load_check::load_check(&pairs);
    let optimum = optimum(&scenario.load, pairs.iter().flat_map(Pair::both));

    let measured: Vec<Pair<Measures>> = pairs
        .iter()
        .map(|pair| Pair::from_fn(|side| pair.of(side).measures(&optimum)))
        .collect();
    let measures: Vec<Pair<&Measures>> = measured.iter().map(Pair::as_ref).collect();
    let bins: Vec<Pair<_>> = pairs
        .iter()
        .map(|pair| Pair::from_fn(|side| pair.of(side).bins()))
        .collect();
    let views: Vec<Pair<TrialView>> = pairs
        .iter()
        .zip(&measured)
        .map(|(pair, measured)| {
            let view = |side| curves::trial_view(pair.of(side), measured.of(side), &scenario.load);
            Pair::from_fn(view)
        })
        .collect();

    let judgement = if load_check.equal {
        Judgement::Verdict {
            rows: judge::rows(&measures, scenario.load.page_timeout_seconds * 1000.0),
        }
    } else {
        Judgement::LoadDiffers { by: load_check.by }
    };
    let sides = Pair::from_fn(|side| {
        let pairs = pairs.iter().map(|pair| pair.of(side));
        let trials: Vec<_> = pairs.zip(views.iter().map(|view| view.of(side))).collect();
        curves::side(&trials, scenario.load.seconds())
    });
    let deployments = scenario.deployments.iter().map(|d| d.name.as_str());
    let notes = notes::notes(scenario, &pairs, &views, &load_check);
    Ok(Comparison {
        schema_version: Comparison::SCHEMA_VERSION,
        scenario: scenario.clone(),
        scenario_hash: scenario.hash(),
        trials_each: u32::try_from(pairs.len()).unwrap_or(u32::MAX),
        horizon_seconds: f64::from(scenario.load.seconds()),
        step_at_seconds: f64::from(scenario.load.step_second()),
        machine,
        versions: versions(&pairs),
        judgement,
        routes: tables::route_failures(&measures),
        peaks: tables::peaks(deployments, &measures, &optimum),
        latency: tables::route_latency(&measures, &bins),
        sides,
        notes,
        optimum,
        load_check,
        trials: views.into_iter().flat_map(Pair::into_both).collect(),
    })
}

/// The programs of all trials; where versions differ, the first.
fn versions(pairs: &[Pair<Trial<'_>>]) -> BTreeMap<String, String> {
    let mut versions = BTreeMap::new();
    for trial in pairs.iter().flat_map(Pair::both) {
        for (program, version) in &trial.record.metadata.versions {
            versions
                .entry(program.clone())
                .or_insert_with(|| version.clone());
        }
    }
    versions
}
