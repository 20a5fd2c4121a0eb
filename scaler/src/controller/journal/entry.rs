//! One policy in the journal, as it is shown.

use std::collections::VecDeque;
use std::sync::Arc;

use scaler_core::{Decision, ScalingPolicy, Timestamp};

use super::super::views::{ChangeView, DecisionAt, Explanation, PolicyView};
use super::{CHANGES_SHOWN, Change, Entry, Status};

impl Entry {
    pub(super) fn new(policy: Arc<ScalingPolicy>, status: Status) -> Self {
        let history = VecDeque::new();
        Entry {
            policy,
            status,
            latest: None,
            write: None,
            last_change: None,
            history,
            turns: VecDeque::new(),
            learned: Vec::new(),
        }
    }

    pub(super) fn explain(&self, now: Timestamp) -> Explanation {
        let policy = &self.policy;
        let told = |(at, decision): &(Timestamp, Arc<Decision>)| DecisionAt {
            age_seconds: now.since(*at).as_secs_f64(),
            decision: decision.clone(),
        };
        let older = self.history.len().saturating_sub(CHANGES_SHOWN);
        Explanation {
            namespace: policy.namespace.clone(),
            name: policy.name.clone(),
            deployment: policy.deployment.clone(),
            file: policy.origin.file.clone(),
            mode: policy.mode,
            status: self.status.clone(),
            min_replicas: policy.min_replicas,
            max_replicas: policy.max_replicas,
            latest: self.latest.as_ref().map(told),
            write: self.write.clone(),
            turns: self.turns.iter().map(told).collect(),
            changes: self
                .history
                .iter()
                .skip(older)
                .map(|change| view(change, now))
                .collect(),
        }
    }

    pub(super) fn view(&self, now: Timestamp) -> PolicyView {
        let policy = &self.policy;
        PolicyView {
            namespace: policy.namespace.clone(),
            name: policy.name.clone(),
            deployment: policy.deployment.clone(),
            mode: policy.mode,
            file: policy.origin.file.clone(),
            status: self.status.clone(),
            decision: self.latest.as_ref().map(|(_, decision)| decision.clone()),
            age_seconds: self
                .latest
                .as_ref()
                .map(|(at, _)| now.since(*at).as_secs_f64()),
            write: self.write.clone(),
            last_change: self.last_change.as_ref().map(|change| view(change, now)),
        }
    }
}

pub(super) fn view((at, change): &(Timestamp, Change), now: Timestamp) -> ChangeView {
    ChangeView {
        age_seconds: now.since(*at).as_secs_f64(),
        change: change.clone(),
    }
}
