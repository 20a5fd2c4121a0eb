//! What was decided: the newest decision of each policy, and a bounded history of changes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use scaler_core::{Decision, Mode, ScalingPolicy, Timestamp};
use serde::Serialize;

use crate::apply::Outcome;

/// Changes remembered for each policy; the oldest makes room.
const HISTORY: usize = 128;

/// Namespace and name of a policy, and the file and line that tell refused twins apart.
type PolicyKey = (String, String, String, usize);

/// Shared between the controller, which writes, and the admin endpoints, which read.
#[derive(Debug, Default)]
pub struct Journal {
    entries: Mutex<BTreeMap<PolicyKey, Entry>>,
}

#[derive(Debug)]
struct Entry {
    policy: Arc<ScalingPolicy>,
    status: Status,
    latest: Option<(Timestamp, Arc<Decision>)>,
    write: Option<Outcome>,
    last_change: Option<(Timestamp, Change)>,
    history: VecDeque<(Timestamp, Change)>,
}

/// Whether a policy does anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "status", content = "statusReason")]
pub enum Status {
    /// It is in force, and its deployment exists.
    InForce,
    /// It is in force, but there is no such deployment.
    DeploymentNotFound(String),
    /// It clashes with another policy.
    Refused(String),
}

/// A replica count that was written.
#[derive(Debug, Clone, Serialize)]
pub struct Change {
    /// Replicas before.
    pub from: u32,
    /// Replicas after.
    pub to: u32,
    /// Why.
    pub decision: Arc<Decision>,
}

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

impl Journal {
    /// Keeps exactly the entries of `policies`, with what is known about them.
    pub(super) fn set_policies(
        &self,
        policies: impl IntoIterator<Item = (Arc<ScalingPolicy>, Status)>,
    ) {
        let mut entries = self.lock();
        let mut known = std::mem::take(&mut *entries);
        for (policy, status) in policies {
            let key = policy_key(&policy);
            let old = known
                .remove(&key)
                .or_else(|| take_renamed(&mut known, &key));
            let entry = match old {
                Some(entry) => Entry {
                    policy,
                    status,
                    ..entry
                },
                None => Entry::new(policy, status),
            };
            entries.insert(key, entry);
        }
    }

    pub(super) fn set_status(&self, policy: &ScalingPolicy, status: Status) {
        self.update(policy, |entry| entry.status = status);
    }

    pub(super) fn decided(&self, policy: &ScalingPolicy, at: Timestamp, decision: Arc<Decision>) {
        self.update(policy, |entry| {
            entry.status = Status::InForce;
            entry.latest = Some((at, decision));
        });
    }

    pub(super) fn wrote(&self, policy: &ScalingPolicy, outcome: Outcome) {
        self.update(policy, |entry| entry.write = Some(outcome));
    }

    pub(super) fn changed(&self, policy: &ScalingPolicy, at: Timestamp, change: Change) {
        self.update(policy, |entry| {
            if entry.history.len() == HISTORY {
                entry.history.pop_front();
            }
            entry.history.push_back((at, change.clone()));
            entry.last_change = Some((at, change));
        });
    }

    /// The newest decision of each policy.
    pub fn decisions(&self, now: Timestamp) -> Decisions {
        let policies = self.lock().values().map(|entry| entry.view(now)).collect();
        Decisions { policies }
    }

    /// The remembered changes of each policy.
    pub fn history(&self, now: Timestamp) -> History {
        let policies = self
            .lock()
            .values()
            .map(|entry| PolicyHistory {
                namespace: entry.policy.namespace.clone(),
                name: entry.policy.name.clone(),
                deployment: entry.policy.deployment.clone(),
                changes: entry
                    .history
                    .iter()
                    .map(|change| view(change, now))
                    .collect(),
            })
            .collect();
        History { policies }
    }

    fn update(&self, policy: &ScalingPolicy, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.lock().get_mut(&policy_key(policy)) {
            change(entry);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<PolicyKey, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn new(policy: Arc<ScalingPolicy>, status: Status) -> Self {
        let history = VecDeque::new();
        Entry {
            policy,
            status,
            latest: None,
            write: None,
            last_change: None,
            history,
        }
    }

    fn view(&self, now: Timestamp) -> PolicyView {
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

fn view((at, change): &(Timestamp, Change), now: Timestamp) -> ChangeView {
    ChangeView {
        age_seconds: now.since(*at).as_secs_f64(),
        change: change.clone(),
    }
}

fn policy_key(policy: &ScalingPolicy) -> PolicyKey {
    let origin = &policy.origin;
    (
        policy.namespace.clone(),
        policy.name.clone(),
        origin.file.clone(),
        origin.line,
    )
}

/// A policy that moved to another line or file is still the same policy.
fn take_renamed(known: &mut BTreeMap<PolicyKey, Entry>, key: &PolicyKey) -> Option<Entry> {
    let old = known
        .keys()
        .find(|old| (&old.0, &old.1) == (&key.0, &key.1))?
        .clone();
    known.remove(&old)
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
