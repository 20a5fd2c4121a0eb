//! What was decided: the newest decision of each policy, and a bounded history of changes.

mod entry;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use scaler_core::{Decision, Learned, ScalingPolicy, Timestamp};
use serde::Serialize;

use super::views::{Decisions, Explanation, History, PolicyHistory};
use crate::apply::Outcome;
use crate::crd::Standing;
use crate::policies::ObjectKey;
use entry::view;

/// Changes remembered for each policy; the oldest makes room.
const HISTORY: usize = 128;
/// Changes remembered of all policies together, some 2 KiB each: with many policies each has fewer.
const HISTORY_OF_ALL: usize = 16_384;
/// But each has this many.
const LEAST_HISTORY: usize = 8;

/// Decisions that came out otherwise than the one before, remembered for each policy; the oldest
/// makes room. A decision takes some 2 KiB, and a cluster may have thousands of policies.
pub const TURNS: usize = 8;
/// Changes told with an explanation.
pub const CHANGES_SHOWN: usize = 16;
/// Names listed for somebody who asks for a policy that is not there.
const NAMES_SHOWN: usize = 20;

/// Namespace and name of a policy, and the file and line that tell refused twins apart.
type PolicyKey = (String, String, String, Option<usize>);

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
    turns: VecDeque<(Timestamp, Arc<Decision>)>,
    learned: Vec<Learned>,
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

impl From<&Status> for Standing {
    fn from(status: &Status) -> Self {
        match status {
            Status::InForce => Standing::InForce,
            Status::DeploymentNotFound(message) => Standing::DeploymentNotFound(message.clone()),
            Status::Refused(message) => Standing::Conflict {
                reason: "AnotherPolicy".to_owned(),
                message: message.clone(),
            },
        }
    }
}

/// What the controller knows about one policy.
#[derive(Debug, Clone)]
pub struct Standpoint {
    /// Whether it does anything.
    pub standing: Standing,
    /// Its newest decision.
    pub decision: Option<(Timestamp, Arc<Decision>)>,
    /// What became of the newest change that a decision asked for.
    pub write: Option<Outcome>,
    /// When it last changed the replicas.
    pub last_change: Option<Timestamp>,
    /// What was learned about its metrics.
    pub learned: Vec<Learned>,
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
            let turns = entry.turns.back();
            if turns.is_none_or(|(_, last)| !is_alike(last, &decision)) {
                if entry.turns.len() == TURNS {
                    entry.turns.pop_front();
                }
                entry.turns.push_back((at, decision.clone()));
            }
            entry.latest = Some((at, decision));
        });
    }

    pub(super) fn wrote(&self, policy: &ScalingPolicy, outcome: Outcome) {
        self.update(policy, |entry| entry.write = Some(outcome));
    }

    pub(super) fn learned(&self, policy: &ScalingPolicy, learned: Vec<Learned>) {
        self.update(policy, |entry| entry.learned = learned);
    }

    pub(super) fn changed(&self, policy: &ScalingPolicy, at: Timestamp, change: Change) {
        let mut entries = self.lock();
        let most = (HISTORY_OF_ALL / entries.len().max(1)).clamp(LEAST_HISTORY, HISTORY);
        if let Some(entry) = entries.get_mut(&policy_key(policy)) {
            while entry.history.len() >= most {
                entry.history.pop_front();
            }
            entry.history.push_back((at, change.clone()));
            entry.last_change = Some((at, change));
        }
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

    /// What is known about the policy that is the object `key`.
    pub fn standpoint(&self, key: &ObjectKey) -> Option<Standpoint> {
        let key = (
            key.namespace.to_string(),
            key.name.to_string(),
            key.origin(),
            None,
        );
        self.lock().get(&key).map(|entry| Standpoint {
            standing: Standing::from(&entry.status),
            decision: entry.latest.clone(),
            write: entry.write.clone(),
            last_change: entry.last_change.as_ref().map(|(at, _)| *at),
            learned: entry.learned.clone(),
        })
    }

    /// Everything about the policy that has this name, or else is for the deployment of this name.
    ///
    /// # Errors
    /// The names of some policies, when there is no such one.
    pub fn explain(
        &self,
        namespace: &str,
        name: &str,
        now: Timestamp,
    ) -> Result<Explanation, Vec<String>> {
        let entries = self.lock();
        let inside = || {
            let all = entries.values();
            all.filter(|entry| entry.policy.namespace == namespace)
        };
        let found = inside()
            .find(|entry| entry.policy.name == name)
            .or_else(|| inside().find(|entry| entry.policy.deployment == name));
        found.map(|entry| entry.explain(now)).ok_or_else(|| {
            let all = entries.values().take(NAMES_SHOWN);
            all.map(|entry| format!("{}/{}", entry.policy.namespace, entry.policy.name))
                .collect()
        })
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

/// Whether two decisions say the same, but for the numbers they measured.
fn is_alike(one: &Decision, other: &Decision) -> bool {
    (one.current, one.desired, one.mode, one.reason)
        == (other.current, other.desired, other.mode, other.reason)
        && one.limits == other.limits
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
