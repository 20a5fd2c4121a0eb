//! Decides what is due: the one owner of windows and autoscalers.
//!
//! What it takes in is in `intake`, what follows a decision in `aftermath`.

mod aftermath;
mod intake;

use foldhash::HashMap;
use std::sync::Arc;
use std::time::Duration;

use scaler_core::{Decision, Evidence, Reason, Timestamp, Windows};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::managed::Managed;
use super::observe::observe;
use super::schedule::Schedule;
use super::{Journal, costs};
use crate::apply::{Applier, Change, Outcome};
use crate::clock::Clock;
use crate::events::Cause;
use crate::metrics;
use crate::recording::Recorder;
use crate::workloads::{DeploymentKey, Workloads};

/// Decisions made before reports and outcomes are looked at again: some milliseconds' worth.
const DECISIONS_AT_ONCE: usize = 64;

/// Owns the windows and every autoscaler.
pub(super) struct Decider {
    clock: Clock,
    workloads: Arc<Workloads>,
    applier: Arc<Applier>,
    journal: Arc<Journal>,
    recorder: Recorder,
    tidyings: u32,
    windows: Windows,
    samples_refused: metrics::SamplesRefused,
    managed: HashMap<DeploymentKey, Managed>,
    refused: usize,
    schedule: Schedule,
    writes: TaskTracker,
    outcomes: mpsc::Sender<Finished>,
}

/// A write that ended.
pub(super) struct Finished {
    change: Change,
    /// When the news that led to it arrived.
    news_at: Option<Timestamp>,
    outcome: Outcome,
}

impl Decider {
    pub(super) fn new(
        clock: Clock,
        interval: Duration,
        workloads: Arc<Workloads>,
        applier: Arc<Applier>,
        journal: Arc<Journal>,
        mut recorder: Recorder,
        outcomes: mpsc::Sender<Finished>,
    ) -> Self {
        recorder.begin();
        Decider {
            clock,
            workloads,
            applier,
            journal,
            recorder,
            tidyings: 0,
            windows: Windows::default(),
            samples_refused: metrics::SamplesRefused::default(),
            managed: HashMap::default(),
            refused: 0,
            schedule: Schedule::new(interval),
            writes: TaskTracker::new(),
            outcomes,
        }
    }

    /// No further write will be started.
    pub(super) fn stop_writing(&self) {
        self.writes.close();
    }

    /// Whether a write is under way.
    pub(super) fn is_writing(&self) -> bool {
        !self.writes.is_empty()
    }

    /// Waits until no write is under way, after [`Self::stop_writing`].
    pub(super) async fn written(&self) {
        self.writes.wait().await;
    }

    /// Time until something is due, if anything ever is.
    pub(super) fn until_next(&self) -> Option<Duration> {
        self.schedule
            .next()
            .map(|next| next.since(self.clock.now()))
    }

    /// Decides for what is due, the longest due first, but not for all of a large cluster at once:
    /// outcomes and reports must not wait that long. What stays due has its turn in the next round.
    pub(super) fn decide_due(&mut self) {
        for _ in 0..DECISIONS_AT_ONCE {
            let Some(key) = self.schedule.pop(self.clock.now()) else {
                return;
            };
            self.decide(&key);
        }
    }

    fn decide(&mut self, key: &DeploymentKey) {
        let Some(managed) = self.managed.get_mut(key) else {
            return;
        };
        let started = self.clock.now();
        let circumstances = self.applier.circumstances(key);
        let (deployment, decision, marks) = {
            let index = self.workloads.read();
            let Some(deployment) = index.deployment(key) else {
                drop(index);
                if let Some(message) = managed.deployment_missing(key, &self.journal) {
                    let cause = Cause::DeploymentMissing;
                    self.applier
                        .tell(managed.happening(key, None, cause, message));
                }
                return;
            };
            let observation = observe(&index, deployment, &self.windows, circumstances, started);
            let decision = managed.autoscaler.decide(&observation, started);
            self.recorder
                .decision(key, started, &observation, &decision);
            let fewer = decision
                .change()
                .and_then(|to| decision.current.checked_sub(to))
                .unwrap_or(0);
            let marks = match managed.in_flight {
                None => costs::marks(
                    &index,
                    deployment,
                    &observation,
                    fewer,
                    &managed.policy,
                    started,
                ),
                Some(_) => Vec::new(),
            };
            (deployment.clone(), decision, marks)
        };
        managed.deployment_found(key);
        if let Some((cause, message)) = managed.conflict_news(&decision) {
            let uid = Some(deployment.uid.clone());
            self.applier
                .tell(managed.happening(key, uid, cause, message));
        }
        let now = self.clock.now();
        metrics::decided(key, &decision, now.since(started));
        let decision = Arc::new(decision);
        self.journal.decided(&managed.policy, now, decision.clone());
        managed.hot = !is_calm(&decision);
        let news_at = managed.take_news();
        let wish = managed.log(key, &decision);
        let wish = wish.then_some(Cause::WouldRescale);
        if let Some(cause) = managed.notices.after(&decision, now).or(wish) {
            // A dry run leaves no trace on the deployment.
            let uid = (cause != Cause::WouldRescale).then(|| deployment.uid.clone());
            self.applier
                .tell(managed.happening(key, uid, cause, decision.message.clone()));
        }
        if let Some(to) = decision.change()
            && managed.in_flight.is_none()
        {
            let withdrawn = CancellationToken::new();
            managed.in_flight = Some(withdrawn.clone());
            let policy = managed.reference.clone();
            self.write(
                Change {
                    deployment,
                    to,
                    decision,
                    marks,
                    withdrawn,
                    policy,
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
}

/// Whether nothing of this decision makes the next one urgent: it changes nothing, it is made from
/// data, and no metric is above its threshold.
fn is_calm(decision: &Decision) -> bool {
    let above = |evidence: &Evidence| {
        let (value, threshold) = (evidence.value, evidence.threshold);
        value
            .zip(threshold)
            .is_some_and(|(value, threshold)| value > threshold)
    };
    decision.desired == decision.current
        && decision.reason != Reason::InsufficientData
        && !decision.evidence.iter().any(above)
}
