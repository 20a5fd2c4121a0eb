//! What follows a decision: the outcome of its write, and what is tidied up every few seconds.

use scaler_core::Mode;

use super::super::{JournalChange, costs, log};
use super::{Decider, Finished};
use crate::apply::Outcome;
use crate::metrics;
use crate::recording::Recorder;

/// Memories are recorded once in so many tidyings, five minutes.
const TIDYINGS_PER_MEMORY: u32 = 60;

impl Decider {
    pub(in crate::controller) fn finish(&mut self, finished: Finished) {
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
        managed.in_flight = None;
        self.journal.wrote(&managed.policy, outcome.clone());
        let from = change.deployment.replicas;
        let Outcome::Applied { resource_version } = &outcome else {
            managed.log_failure(key, from, change.to, &outcome);
            return;
        };
        managed.autoscaler.scaled(from, change.to, now);
        self.recorder.scaled(key, from, change.to, now);
        if change.to < from {
            managed.scaled_down_at = Some(now);
        }
        managed.last_failure = None;
        if let Some(news_at) = news_at {
            metrics::report_to_patch(now.since(news_at));
        }
        // The next decision starts from what was written, even if the watch is late.
        let uid = &change.deployment.uid;
        self.workloads
            .update(|index| index.wrote(uid, resource_version, change.to, now));
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

    /// Ends, and gives back what records, for the next term.
    pub(in crate::controller) fn into_recorder(mut self) -> Recorder {
        self.samples_refused.tell(self.windows.refused());
        self.recorder.end();
        self.recorder
    }

    pub(in crate::controller) fn tidy(&mut self) {
        let now = self.clock.now();
        self.windows.prune(now);
        self.recorder.pruned(now);
        self.tidyings += 1;
        if self.tidyings.is_multiple_of(TIDYINGS_PER_MEMORY) && self.recorder.is_on() {
            for (key, managed) in &self.managed {
                self.recorder.memory(key, &managed.autoscaler.memory());
            }
        }
        for managed in self.managed.values() {
            // For its status; a file has none.
            if managed.reference.is_some() {
                let learned = managed.autoscaler.learned();
                self.journal.learned(&managed.policy, learned);
            }
        }
        self.samples_refused.tell(self.windows.refused());
        let missing = self
            .managed
            .values()
            .filter(|managed| managed.is_missing())
            .count();
        metrics::policies(self.managed.len() - missing, missing, self.refused);
        let conflicts = self
            .managed
            .values()
            .filter(|managed| managed.is_in_conflict());
        metrics::conflicts(conflicts.count());
        metrics::policy_modes([Mode::Active, Mode::DryRun, Mode::Paused].map(|mode| {
            let policies = self.managed.values().map(|managed| &managed.policy);
            (mode, policies.filter(|policy| policy.mode == mode).count())
        }));
        self.reset_deletion_costs();
    }

    /// Takes costs away from pods that no scale-down is about to take: after one that failed or was
    /// overtaken, and those that a predecessor left.
    fn reset_deletion_costs(&self) {
        let leftovers = costs::leftovers(&self.workloads.read(), &self.managed, self.clock.now());
        if leftovers.is_empty() || self.writes.is_closed() {
            return;
        }
        let applier = self.applier.clone();
        self.writes
            .spawn(async move { applier.reset_deletion_costs(&leftovers).await });
    }
}
