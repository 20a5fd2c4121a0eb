//! Fetch → decide → plan: one task that owns the windows and every autoscaler.
//!
//! ```text
//! reports of ingest ─▶ windows ─▶ due? ─▶ observe ─▶ Autoscaler::decide ─▶ journal, log, metrics
//!                                                          └─▶ change ─▶ apply ─▶ outcome ─┐
//!                                                 Autoscaler::scaled ◀─ only when written ─┘
//! ```
//!
//! One owner means no locks on the way from a report to a decision. At most one write for each
//! deployment is under way; until its outcome is back, decisions are made and shown, not written.

mod costs;
mod decider;
mod journal;
mod log;
mod managed;
mod notice;
mod observe;
mod schedule;
mod views;

use std::sync::Arc;
use std::time::Duration;

use scaler_core::{ContainerSample, NodeSample, PodUid, Timestamp};
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

pub use journal::{CHANGES_SHOWN, Change as JournalChange, Journal, Standpoint, Status, TURNS};
pub use views::{
    ChangeView, DecisionAt, Decisions, Explanation, History, PolicyHistory, PolicyView,
};

use crate::apply::Applier;
use crate::clock::Clock;
use crate::election::Pulse;
use crate::policies::PolicySet;
use crate::recording::Recorder;
use crate::workloads::{DeploymentKey, Workloads};
use decider::Decider;

/// Reports waiting for the controller. When full, each stream waits with one more for a moment, then
/// drops and counts it. As many as a large cluster has nodes: agents that come back together report
/// together, and the ten reports that each of them sends to a new leader come one after the other.
pub const REPORT_QUEUE: usize = 5_000;
/// Reports taken at once before decisions are looked at again.
const BATCH: usize = 256;
const HOUSEKEEPING_EVERY: Duration = Duration::from_secs(5);

/// A checked report of one node.
#[derive(Debug)]
pub struct NodeReport {
    /// The node.
    pub node: Arc<str>,
    /// When it arrived.
    pub received_at: Timestamp,
    /// How long it had waited in the agent's queue; its samples are stamped that much earlier.
    pub age: Duration,
    /// The node as a whole.
    pub sample: Option<NodeSample>,
    /// Its containers.
    pub containers: Vec<ContainerReport>,
}

/// One container of a [`NodeReport`].
#[derive(Debug)]
pub struct ContainerReport {
    /// The pod.
    pub pod: PodUid,
    /// The container's name.
    pub container: Arc<str>,
    /// The deployment that the pod belongs to.
    pub deployment: DeploymentKey,
    /// What was measured.
    pub sample: ContainerSample,
}

/// What the controller works with.
pub struct Inputs {
    /// The clock that stamps everything.
    pub clock: Clock,
    /// Time between reports.
    pub interval: Duration,
    /// What runs in the cluster.
    pub workloads: Arc<Workloads>,
    /// The policies.
    pub policies: watch::Receiver<PolicySet>,
    /// Checked reports, from ingest.
    pub reports: mpsc::Receiver<NodeReport>,
    /// Carries changes out.
    pub applier: Arc<Applier>,
    /// Where decisions are kept for reading.
    pub journal: Arc<Journal>,
    /// Takes everything down, when that is wanted.
    pub recorder: Recorder,
    /// Shows the election that decisions are made.
    pub pulse: Pulse,
}

/// Decides until `stop`, then waits for the writes under way. Gives the recorder back.
pub async fn run(inputs: Inputs, stop: CancellationToken) -> Recorder {
    let Inputs {
        mut policies,
        mut reports,
        pulse,
        ..
    } = inputs;
    // Each deployment has at most one outcome under way, so a full queue only delays those tasks.
    let (outcomes, mut finished) = mpsc::channel(64);
    let rivals = inputs.applier.rivals().clone();
    let mut decider = Decider::new(
        inputs.clock,
        inputs.interval,
        inputs.workloads,
        inputs.applier,
        inputs.journal,
        inputs.recorder,
        outcomes,
    );
    let mut housekeeping = interval(HOUSEKEEPING_EVERY);
    housekeeping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    policies.mark_changed();

    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Ok(()) = policies.changed() => {
                let set = policies.borrow_and_update().clone();
                decider.set_policies(&set);
            }
            Some(outcome) = finished.recv() => decider.finish(outcome),
            () = rivals.changed() => decider.rivals_changed(),
            Some(report) = reports.recv() => {
                decider.record(report);
                for _ in 1..BATCH {
                    let Ok(report) = reports.try_recv() else { break };
                    decider.record(report);
                }
            }
            () = sleep(decider.until_next().unwrap_or(HOUSEKEEPING_EVERY)) => {}
            _ = housekeeping.tick() => decider.tidy(),
        }
        decider.decide_due();
        pulse.beat();
    }
    decider.stop_writing();
    while decider.is_writing() {
        tokio::select! {
            Some(outcome) = finished.recv() => decider.finish(outcome),
            () = decider.written() => {}
        }
    }
    while let Ok(outcome) = finished.try_recv() {
        decider.finish(outcome);
    }
    decider.into_recorder()
}
