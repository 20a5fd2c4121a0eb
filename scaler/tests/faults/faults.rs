//! What can go wrong.

use std::fmt;

/// The API server's watchable kinds that the scaler follows, as the last part of their paths.
pub(crate) const RESOURCES: [&str; 4] = [
    "deployments",
    "replicasets",
    "pods",
    "horizontalpodautoscalers",
];
pub(crate) const SCALERS: usize = 2;
pub(crate) const NODES: usize = 3;

/// Something that goes wrong for a while.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fault {
    /// Since the simulation's start.
    pub(crate) at_ms: u64,
    /// What happens at one moment only does not last.
    pub(crate) lasts_ms: u64,
    pub(crate) kind: Kind,
}

/// What goes wrong. Numbers in `scaler` and `node` are indices.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    /// SIGKILL; started again when the fault ends.
    KillScaler { scaler: usize },
    /// SIGSTOP, SIGCONT: its clock goes on, it does not.
    FreezeScaler { scaler: usize },
    /// SIGKILL; started again, with an empty queue, when the fault ends.
    KillAgent { node: usize },
    /// Connections of the node's agent are reset, and refused while it lasts.
    CutAgent { node: usize },
    /// Connections of the node's agent carry nothing in either direction while it lasts, and then
    /// everything that was held up.
    StallAgent { node: usize },
    /// The API server is gone: connections are reset and refused.
    ApiDown,
    /// Of so many requests in 100, this status is the answer, and nothing was done.
    ApiErrors { code: u16, percent: u8 },
    /// Of so many requests in 100, the answer is lost after they were carried out.
    LostAnswers { percent: u8 },
    /// Requests wait up to so long before they are carried out, and their answers as long again.
    SlowApi { up_to_ms: u64 },
    /// One scaler's way to the API server becomes half-open: what is under way or begins meanwhile
    /// is never answered, not even later.
    HalfOpenApi { scaler: usize },
    /// Events of one resource are held back, for one scaler, and delivered in order afterwards.
    /// Those of the others are not, so that a pod may come before its ReplicaSet.
    LateWatch { scaler: usize, resource: usize },
    /// Running watches of one resource are told that their version is too old (410).
    ExpiredWatch { resource: usize },
    /// Running watches of one resource break off.
    BrokenWatch { resource: usize },
    /// Lists are answered as some seconds ago, as by another API server whose cache lags.
    StaleLists,
    /// The wall clock of one scaler's machine jumps, and jumps back.
    WallJump { scaler: usize, seconds: i64 },
    /// A human sets the replicas of a deployment, once.
    Human { deployment: usize, replicas: u32 },
    /// The deployment is deleted with everything in it, and created anew under its name.
    Recreate { deployment: usize },
    /// The load changes for good, to so many pods' worth.
    Load { tenths_of_pods: u32 },
}

impl Kind {
    /// One of each.
    pub(crate) fn examples() -> impl Iterator<Item = Kind> {
        [
            Kind::KillScaler { scaler: 0 },
            Kind::FreezeScaler { scaler: 0 },
            Kind::KillAgent { node: 0 },
            Kind::CutAgent { node: 1 },
            Kind::StallAgent { node: 2 },
            Kind::ApiDown,
            Kind::ApiErrors {
                code: 429,
                percent: 60,
            },
            Kind::LostAnswers { percent: 50 },
            Kind::SlowApi { up_to_ms: 1_500 },
            Kind::HalfOpenApi { scaler: 0 },
            Kind::LateWatch {
                scaler: 0,
                resource: 2,
            },
            Kind::ExpiredWatch { resource: 0 },
            Kind::BrokenWatch { resource: 1 },
            Kind::StaleLists,
            Kind::WallJump {
                scaler: 0,
                seconds: -3_600,
            },
            Kind::Human {
                deployment: 0,
                replicas: 17,
            },
            Kind::Recreate { deployment: 0 },
            Kind::Load { tenths_of_pods: 64 },
        ]
        .into_iter()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |ms: u64| ms as f64 / 1e3;
        let (from, to) = (seconds(self.at_ms), seconds(self.at_ms + self.lasts_ms));
        write!(formatter, "{from:7.2} s to {to:7.2} s  {:?}", self.kind)
    }
}
