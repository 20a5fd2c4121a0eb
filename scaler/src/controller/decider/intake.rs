//! What the controller is told: policies, reports, other autoscalers.

use scaler_core::alarm::is_alarming;
use tracing::info;

use super::super::managed::{Managed, Past};
use super::super::schedule::News;
use super::super::{ContainerReport, NodeReport, Status};
use super::Decider;
use crate::events::Reference;
use crate::policies::PolicySet;

impl Decider {
    pub(in crate::controller) fn set_policies(&mut self, set: &PolicySet) {
        let now = self.clock.now();
        self.managed.retain(|key, managed| {
            let stays = set.in_force.contains_key(key);
            if !stays {
                managed.withdraw();
                self.schedule.remove(key);
                self.recorder.policy_gone(key);
                info!(deployment = %key, "no policy any more");
            }
            stays
        });
        for (key, policy) in &set.in_force {
            self.schedule.add(key, now);
            self.recorder.policy(key, policy);
            let reference = set.object_of(policy).map(|object| Reference {
                name: policy.name.as_str().into(),
                uid: object.uid.as_str().into(),
            });
            match self.managed.get_mut(key) {
                Some(managed) => managed.set_policy(policy, reference),
                None => {
                    let status = set.object_of(policy).and_then(|o| o.status.latest());
                    let past = Past {
                        changes: self.workloads.read().replica_changes(key),
                        learned: status.map_or_else(Vec::new, |s| s.learned().collect()),
                    };
                    let managed = Managed::new(policy.clone(), reference, past, now);
                    // What it was told of the time before is an input too.
                    if self.recorder.is_on() {
                        self.recorder.memory(key, &managed.autoscaler.memory());
                    }
                    self.managed.insert(key.clone(), managed);
                }
            }
        }
        let longest = set.in_force.values().map(|policy| policy.window).max();
        let longest = longest.unwrap_or_default();
        self.recorder.node_window(longest);
        self.windows.set_node_window(longest);
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

    pub(in crate::controller) fn record(&mut self, report: NodeReport) {
        if let Some(sample) = report.sample {
            self.recorder.node(&report.node, &sample);
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
            // What waited in an agent's queue for longer than a window is no alarm any more.
            let window = managed.policy.window;
            let fresh = report.age <= window;
            let alarming = fresh && is_alarming(&managed.policy, &container, &sample);
            let news = match managed.hot || alarming {
                true => News::Urgent,
                false => News::Calm,
            };
            managed.note_news(news, report.received_at);
            self.recorder.container(&pod, &container, window, &sample);
            self.windows.record_for(window, &pod, &container, &sample);
            self.schedule.news(&deployment, news, now);
        }
    }

    /// Deployments whose rivals changed are due at once, so that the conflict shows and is told.
    pub(in crate::controller) fn rivals_changed(&mut self) {
        let now = self.clock.now();
        for key in self.applier.rivals().take_changed() {
            self.schedule.news(&key, News::Urgent, now);
        }
    }
}
