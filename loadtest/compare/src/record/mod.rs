//! The raw data of one trial, and the directory that keeps it.
//!
//! ```text
//!  DIR/SCENARIO/trial-1-hpa/
//!      trial.json        metadata; written last, with `complete: true`
//!      requests.jsonl    a line per page request
//!      users.jsonl       a line per second
//!      replicas.jsonl    a line per change, and one per deployment at the begin
//!      cpu.jsonl         a line per deployment and second
//!      overhead.jsonl    a line per process of the autoscaler and second
//!      decisions.jsonl   a line per decision
//! ```
//!
//! What is not marked complete was interrupted, and the trial is made again.

mod files;
mod metadata;
mod series;
mod trials;

pub use files::RecordError;
pub use metadata::{DeploymentFacts, Machine, Metadata, MetricsPhase};
pub use series::{
    CpuSample, DecisionEntry, OverheadSample, ReplicaSample, RequestRecord, UserSample,
};
pub use trials::{TrialKey, Trials};

/// The raw data of one trial of one autoscaler. Every list is in order of time.
#[derive(Debug, Clone, PartialEq)]
pub struct TrialRecord {
    /// What was run, where and when.
    pub metadata: Metadata,
    /// Every page request that ended within the trial.
    pub requests: Vec<RequestRecord>,
    /// Users that there were, once a second.
    pub users: Vec<UserSample>,
    /// Replicas of every scaled deployment: one sample at the begin, then one per change.
    pub replicas: Vec<ReplicaSample>,
    /// CPU time of every deployment of the shop, scaled or not, once a second.
    pub cpu: Vec<CpuSample>,
    /// CPU time of the processes that make up the autoscaler, once a second.
    pub overhead: Vec<OverheadSample>,
    /// What the autoscaler decided and why.
    pub decisions: Vec<DecisionEntry>,
}
