//! What the admin endpoints answer about decisions.

use std::sync::Arc;

use scaler_core::{Decision, Mode};
use serde::Serialize;

use super::{JournalChange as Change, Status};
use crate::apply::Outcome;

/// The answer of `/decisions`.
#[derive(Debug, Serialize)]
pub struct Decisions {
    /// One for each policy, by namespace and name.
    pub policies: Vec<PolicyView>,
}

/// One policy in `/decisions`.
#[derive(Debug, Serialize)]
pub struct PolicyView {
    /// Its namespace, and the deployment's.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The deployment it is for.
    pub deployment: String,
    /// Its mode.
    pub mode: Mode,
    /// The file it was read from.
    pub file: String,
    /// Whether it does anything, and why not.
    #[serde(flatten)]
    pub status: Status,
    /// Its newest decision; absent until there is one.
    pub decision: Option<Arc<Decision>>,
    /// Seconds since that decision.
    pub age_seconds: Option<f64>,
    /// What became of the newest change that a decision asked for.
    pub write: Option<Outcome>,
    /// The newest change that was written.
    pub last_change: Option<ChangeView>,
}

/// One change in `/decisions` and `/decisions/history`.
#[derive(Debug, Serialize)]
pub struct ChangeView {
    /// Seconds since.
    pub age_seconds: f64,
    /// The change.
    #[serde(flatten)]
    pub change: Change,
}

/// The answer of `/decisions/history`.
#[derive(Debug, Serialize)]
pub struct History {
    /// One for each policy, by namespace and name.
    pub policies: Vec<PolicyHistory>,
}

/// The answer of `/decisions/NAMESPACE/NAME`; `scaler explain` reads it as
/// [`crate::explain::Explained`].
#[derive(Debug, Serialize)]
pub struct Explanation {
    /// Its namespace, and the deployment's.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The deployment it is for.
    pub deployment: String,
    /// The file it was read from.
    pub file: String,
    /// Its mode.
    pub mode: Mode,
    /// Whether it does anything, and why not.
    #[serde(flatten)]
    pub status: Status,
    /// Its `minReplicas`.
    pub min_replicas: u32,
    /// Its `maxReplicas`.
    pub max_replicas: u32,
    /// Its newest decision.
    pub latest: Option<DecisionAt>,
    /// What became of the newest change that a decision asked for.
    pub write: Option<Outcome>,
    /// Its newest decisions that came out otherwise than the one before, oldest first.
    pub turns: Vec<DecisionAt>,
    /// Its newest changes, oldest first.
    pub changes: Vec<ChangeView>,
}

/// A decision in an [`Explanation`].
#[derive(Debug, Serialize)]
pub struct DecisionAt {
    /// Seconds since.
    pub age_seconds: f64,
    /// The decision.
    pub decision: Arc<Decision>,
}

/// One policy in `/decisions/history`.
#[derive(Debug, Serialize)]
pub struct PolicyHistory {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The deployment it is for.
    pub deployment: String,
    /// Its changes, oldest first.
    pub changes: Vec<ChangeView>,
}
