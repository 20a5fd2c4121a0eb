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

mod journal;
mod managed;
mod observe;
mod schedule;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use scaler_core::{Decision, NodeSample, PodUid, ScalingPolicy, Timestamp, Windows};
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

pub use journal::{Change as JournalChange, Decisions, History, Journal, PolicyView, Status};

use crate::apply::{Applier, Change, Outcome};
use crate::clock::Clock;
use crate::metrics;
use crate::policies::PolicySet;
use crate::workloads::{DeploymentKey, DeploymentRecord, Workloads};
use managed::Managed;
use schedule::Schedule;

/// Reports waiting for the controller; when full, ingest drops a further one and counts it.
pub const REPORT_QUEUE: usize = 4096;
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
    pub sample: scaler_core::ContainerSample,
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
}

/// Decides until `stop`, then waits for the writes under way.
pub async fn run(inputs: Inputs, stop: CancellationToken) {
    let Inputs {
        clock,
        interval: report_interval,
        mut policies,
        mut reports,
        ..
    } = inputs;
    // Each deployment has at most one outcome under way, so a full queue only delays those tasks.
    let (outcomes, mut finished) = mpsc::channel(64);
    let mut controller = Controller {
        clock,
        workloads: inputs.workloads,
        applier: inputs.applier,
        journal: inputs.journal,
        windows: Windows::default(),
        managed: HashMap::new(),
        refused: 0,
        schedule: Schedule::new(report_interval),
        writes: TaskTracker::new(),
        outcomes,
    };
    let mut housekeeping = interval(HOUSEKEEPING_EVERY);
    housekeeping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    controller.set_policies(&policies.borrow_and_update().clone());

    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Ok(()) = policies.changed() => {
                let set = policies.borrow_and_update().clone();
                controller.set_policies(&set);
            }
            Some(outcome) = finished.recv() => controller.finish(outcome),
            Some(report) = reports.recv() => {
                controller.record(report);
                for _ in 1..BATCH {
                    let Ok(report) = reports.try_recv() else { break };
                    controller.record(report);
                }
            }
            () = sleep(controller.until_next()) => {}
            _ = housekeeping.tick() => controller.tidy(),
        }
        controller.decide_all_due();
    }
    controller.writes.close();
    while !controller.writes.is_empty() {
        tokio::select! {
            Some(outcome) = finished.recv() => controller.finish(outcome),
            () = controller.writes.wait() => {}
        }
    }
    while let Ok(outcome) = finished.try_recv() {
        controller.finish(outcome);
    }
}

struct Controller {
    clock: Clock,
    workloads: Arc<Workloads>,
    applier: Arc<Applier>,
    journal: Arc<Journal>,
    windows: Windows,
    managed: HashMap<DeploymentKey, Managed>,
    refused: usize,
    schedule: Schedule,
    writes: TaskTracker,
    outcomes: mpsc::Sender<Finished>,
}

/// A write that ended.
struct Finished {
    change: Change,
    /// When the newest news that led to it arrived.
    news_at: Option<Timestamp>,
    outcome: Outcome,
}

impl Controller {
    fn set_policies(&mut self, set: &PolicySet) {
        let now = self.clock.now();
        self.managed.retain(|key, _| {
            let stays = set.in_force.contains_key(key);
            if !stays {
                self.schedule.remove(key);
                info!(deployment = %key, "no policy any more");
            }
            stays
        });
        for (key, policy) in &set.in_force {
            self.schedule.add(key, now);
            match self.managed.get_mut(key) {
                Some(managed) => managed.set_policy(policy),
                None => {
                    self.managed
                        .insert(key.clone(), Managed::new(policy.clone()));
                }
            }
        }
        self.refused = set.refused.len();
        let in_force = set.in_force.iter().map(|(key, policy)| {
            let status = self
                .managed
                .get(key)
                .map_or(Status::InForce, Managed::status);
            (policy.clone(), status)
        });
        let refused = set.refused.iter().map(|refused| {
            (
                refused.policy.clone(),
                Status::Refused(refused.reason.clone()),
            )
        });
        self.journal.set_policies(in_force.chain(refused));
    }

    fn record(&mut self, report: NodeReport) {
        if let Some(sample) = report.sample {
            self.windows.record_node(&report.node, sample);
        }
        let now = self.clock.now();
        for ContainerReport {
            pod,
            container,
            deployment,
            sample,
        } in report.containers
        {
            let Some(managed) = self.managed.get_mut(&deployment) else {
                continue;
            };
            managed.news_at = Some(report.received_at);
            self.windows.record(&pod, &container, sample);
            self.schedule.news(&deployment, now);
        }
    }

    fn until_next(&self) -> Duration {
        let next = self.schedule.next();
        next.map_or(HOUSEKEEPING_EVERY, |next| next.since(self.clock.now()))
    }

    fn decide_all_due(&mut self) {
        while let Some(key) = self.schedule.pop(self.clock.now()) {
            self.decide(&key);
        }
    }

    fn decide(&mut self, key: &DeploymentKey) {
        let Some(managed) = self.managed.get_mut(key) else {
            return;
        };
        let started = self.clock.now();
        let (deployment, decision) = {
            let index = self.workloads.read();
            let Some(deployment) = index.deployment(key) else {
                drop(index);
                managed.deployment_missing(key, &self.journal);
                return;
            };
            let observation = observe::observe(&index, deployment, &self.windows, started);
            (
                deployment.clone(),
                managed.autoscaler.decide(&observation, started),
            )
        };
        managed.deployment_found(key);
        let now = self.clock.now();
        metrics::decided(key, &decision, now.since(started));
        let decision = Arc::new(decision);
        self.journal.decided(&managed.policy, now, decision.clone());
        managed.log(key, &decision);
        if let Some(to) = decision.change()
            && !managed.in_flight
        {
            managed.in_flight = true;
            let news_at = managed.news_at;
            self.write(
                Change {
                    deployment,
                    to,
                    decision,
                },
                news_at,
            );
        }
    }

    fn write(&self, change: Change, news_at: Option<Timestamp>) {
        let (applier, outcomes) = (self.applier.clone(), self.outcomes.clone());
        self.writes.spawn(async move {
            let outcome = applier.apply(&change).await;
            // The controller outlives every write; see the end of `run`.
            let _ = outcomes
                .send(Finished {
                    change,
                    news_at,
                    outcome,
                })
                .await;
        });
    }

    fn finish(&mut self, finished: Finished) {
        let Finished {
            change,
            news_at,
            outcome,
        } = finished;
        let now = self.clock.now();
        let key = &change.deployment.key;
        let Some(managed) = self.managed.get_mut(key) else {
            return;
        };
        managed.in_flight = false;
        self.journal.wrote(&managed.policy, outcome.clone());
        let from = change.deployment.replicas;
        let Outcome::Applied { resource_version } = &outcome else {
            managed.log_failure(key, from, change.to, &outcome);
            return;
        };
        managed.autoscaler.scaled(from, change.to, now);
        managed.last_failure = None;
        if let Some(news_at) = news_at {
            metrics::report_to_patch(now.since(news_at));
        }
        // The next decision starts from what was written, even if the watch is late.
        self.workloads.update(|index| {
            index.put_deployment(DeploymentRecord {
                resource_version: resource_version.clone(),
                replicas: change.to,
                ..change.deployment.clone()
            })
        });
        log_change(key, from, change.to, &change.decision);
        let decision = change.decision;
        self.journal.changed(
            &managed.policy,
            now,
            JournalChange {
                from,
                to: change.to,
                decision,
            },
        );
    }

    fn tidy(&mut self) {
        self.windows.prune(self.clock.now());
        metrics::samples_refused(self.windows.refused());
        let missing = self
            .managed
            .values()
            .filter(|managed| managed.is_missing())
            .count();
        metrics::policies(self.managed.len() - missing, missing, self.refused);
    }
}

fn log_change(key: &DeploymentKey, from: u32, to: u32, decision: &Decision) {
    info!(
        namespace = %key.namespace,
        deployment = %key.name,
        from,
        to,
        reason = ?decision.reason,
        evidence = %evidence_text(decision),
        message = %decision.message,
    );
}

/// The evidence in one line: `runqLatency p95 38ms (2ms), userPageFaults rate 900/s (4000/s)`.
fn evidence_text(decision: &Decision) -> String {
    let texts: Vec<String> = decision
        .evidence
        .iter()
        .map(|e| {
            format!(
                "{} {} {} ({})",
                e.metric, e.statistic, e.value_text, e.threshold_text
            )
        })
        .collect();
    texts.join(", ")
}

/// A policy for people.
fn policy_name(policy: &ScalingPolicy) -> String {
    format!("{}/{}", policy.namespace, policy.name)
}

fn warn_failure(key: &DeploymentKey, from: u32, to: u32, outcome: &Outcome) {
    let problem = match outcome {
        Outcome::Failed { problem } => problem.clone(),
        other => format!("{other:?}"),
    };
    warn!(
        namespace = %key.namespace,
        deployment = %key.name,
        from,
        to,
        result = outcome.name(),
        problem = %problem,
        "replicas not changed"
    );
}
