//! What happens to reports, policies, due deployments and the outcomes of writes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use scaler_core::{Timestamp, Windows};
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;
use tracing::info;

use super::managed::Managed;
use super::observe::observe;
use super::schedule::Schedule;
use super::{ContainerReport, Journal, JournalChange, NodeReport, Status, log};
use crate::apply::{Applier, Change, Outcome};
use crate::clock::Clock;
use crate::metrics;
use crate::policies::PolicySet;
use crate::workloads::{DeploymentKey, DeploymentRecord, Workloads};

/// Owns the windows and every autoscaler.
pub(super) struct Decider {
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
pub(super) struct Finished {
    change: Change,
    /// When the newest news that led to it arrived.
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
        outcomes: mpsc::Sender<Finished>,
    ) -> Self {
        Decider {
            clock,
            workloads,
            applier,
            journal,
            windows: Windows::default(),
            managed: HashMap::new(),
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

    pub(super) fn set_policies(&mut self, set: &PolicySet) {
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

    pub(super) fn record(&mut self, report: NodeReport) {
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

    /// Time until something is due, if anything ever is.
    pub(super) fn until_next(&self) -> Option<Duration> {
        self.schedule
            .next()
            .map(|next| next.since(self.clock.now()))
    }

    pub(super) fn decide_all_due(&mut self) {
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
            let observation = observe(&index, deployment, &self.windows, started);
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

    pub(super) fn finish(&mut self, finished: Finished) {
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
        log::change(key, from, change.to, &change.decision);
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

    pub(super) fn tidy(&mut self) {
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
