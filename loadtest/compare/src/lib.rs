//! Which of two autoscalers is better, by how much and at what cost: everything about a comparison
//! except carrying it out and drawing it.
//!
//! ```text
//!  scenario.yaml ─▶ Scenario ─▶ (the runner drives the trials) ─▶ TrialRecord, as files
//!                                                                       │
//!      offered load, CPU per request of all trials ─▶ optimum ─▶ Measures of each trial
//!                                                                       │
//!                    medians, bootstrap intervals, ties ─▶ Comparison ─▶ JSON, CSV, the report
//! ```
//!
//! No clock and no network; the only I/O is reading and writing the directories that are named.
//! All times are seconds since the trial's begin, which is when its load begins; a trial is looked
//! at from there to the end of the scenario's load, the same for both autoscalers.

pub mod scenario;

pub mod record;

pub mod measure;

pub mod statistics;

pub mod comparison;

mod autoscaler;

pub use autoscaler::Autoscaler;
pub use comparison::{CompareError, Comparison, compare};
pub use measure::Measures;
pub use record::{TrialKey, TrialRecord};
pub use scenario::{Scenario, ScenarioError};

#[cfg(any(test, feature = "testing"))]
mod example;
