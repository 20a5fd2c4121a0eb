//! Reads the answer out of a recording: the state at its end.

use std::collections::{BTreeSet, VecDeque};
use std::path::Path;

use scaler_core::{ScalingPolicy, Timestamp};

use super::view::{Changed, DecisionView, Explained, Told};
use super::{ExplainError, view};
use crate::controller::{CHANGES_SHOWN, TURNS};
use crate::recording::{Damage, Entry, RecordedDecision, Recording};

/// Names listed in an error.
const NAMES_SHOWN: usize = 20;

/// What is gathered of the wanted policy.
#[derive(Default)]
struct Gathered {
    policy: Option<ScalingPolicy>,
    latest: Option<(Timestamp, DecisionView)>,
    turns: VecDeque<(Timestamp, DecisionView)>,
    changes: VecDeque<(Timestamp, u32, u32, DecisionView)>,
    end: Timestamp,
}

/// What the recording at `path` says at its end, and what of it cannot be read. Of a scaler that
/// was started anew, only what came after counts.
pub(super) fn explain(
    path: &Path,
    namespace: &str,
    name: &str,
) -> Result<(Explained, Vec<Damage>), ExplainError> {
    let mut recording = Recording::open(path)?;
    let mut gathered = Gathered::default();
    let mut known = BTreeSet::new();
    let wanted = |policy: &ScalingPolicy| {
        policy.namespace == namespace && (policy.name == name || policy.deployment == name)
    };
    for entry in recording.by_ref() {
        match entry {
            Entry::Start(start) if start.begins => gathered = Gathered::default(),
            Entry::Policy { policy, .. } => {
                if wanted(&policy) {
                    gathered.policy = Some(*policy);
                } else if known.len() < NAMES_SHOWN {
                    known.insert(format!("{}/{}", policy.namespace, policy.name));
                }
            }
            Entry::Pruned(at) => gathered.end = gathered.end.max(at),
            Entry::Decision(decision) => {
                gathered.end = gathered.end.max(decision.at);
                if gathered.is_about(&decision.target) {
                    gathered.decision(&decision);
                }
            }
            Entry::Scaled {
                target,
                at,
                from,
                to,
            } if gathered.is_about(&target) => gathered.changed(at, from, to),
            _ => {}
        }
    }
    let damage = recording.damage().to_vec();
    let explained = gathered
        .explained()
        .ok_or_else(|| ExplainError::NotRecorded {
            path: path.to_owned(),
            wanted: format!("{namespace}/{name}"),
            recorded: match known.is_empty() {
                true => "none".to_owned(),
                false => known.into_iter().collect::<Vec<_>>().join(", "),
            },
        })?;
    Ok((explained, damage))
}

impl Gathered {
    fn is_about(&self, target: &crate::workloads::DeploymentKey) -> bool {
        self.policy.as_ref().is_some_and(|policy| {
            (&*target.namespace, &*target.name) == (&*policy.namespace, &*policy.deployment)
        })
    }

    fn decision(&mut self, recorded: &RecordedDecision) {
        let Ok(decision) = serde_json::from_str::<DecisionView>(&recorded.decision) else {
            return;
        };
        let turns = self.turns.back();
        if turns.is_none_or(|(_, last)| !view::is_alike(last, &decision)) {
            push(&mut self.turns, TURNS, (recorded.at, decision.clone()));
        }
        self.latest = Some((recorded.at, decision));
    }

    fn changed(&mut self, at: Timestamp, from: u32, to: u32) {
        let turns = self.turns.iter().rev();
        let cause = turns
            .map(|(_, decision)| decision)
            .find(|decision| decision.desired == to);
        let latest = self.latest.as_ref().map(|(_, decision)| decision);
        if let Some(decision) = cause.or(latest).cloned() {
            push(&mut self.changes, CHANGES_SHOWN, (at, from, to, decision));
        }
    }

    fn explained(self) -> Option<Explained> {
        let end = self.end;
        let age = |at: Timestamp| end.since(at).as_secs_f64();
        let told = |(at, decision)| Told {
            age_seconds: age(at),
            decision,
        };
        let policy = self.policy?;
        Some(Explained {
            namespace: policy.namespace,
            name: policy.name,
            deployment: policy.deployment,
            file: policy.origin.file,
            mode: format!("{:?}", policy.mode),
            status: "InForce".to_owned(),
            status_reason: None,
            min_replicas: policy.min_replicas,
            max_replicas: policy.max_replicas,
            latest: self.latest.map(told),
            write: None,
            turns: self.turns.into_iter().map(told).collect(),
            changes: self
                .changes
                .into_iter()
                .map(|(at, from, to, decision)| Changed {
                    age_seconds: age(at),
                    from,
                    to,
                    decision,
                })
                .collect(),
        })
    }
}

/// The oldest makes room.
fn push<T>(queue: &mut VecDeque<T>, most: usize, item: T) {
    if queue.len() == most {
        queue.pop_front();
    }
    queue.push_back(item);
}
