//! One policy in force, and what is remembered about it.

use std::sync::Arc;

use scaler_core::{Autoscaler, ConditionKind, Decision, Learned, Mode, ScalingPolicy, Timestamp};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::log::{self, evidence_text, policy_name};
use super::notice::Notices;
use super::schedule::News;
use super::{Journal, Status};
use crate::apply::Outcome;
use crate::events::{Cause, Happening, Reference, Subject};
use crate::workloads::{DeploymentKey, ReplicaChange, Uid};

/// A deployment under a policy.
pub(super) struct Managed {
    pub(super) policy: Arc<ScalingPolicy>,
    /// The policy as an object, for Events; a file is none.
    pub(super) reference: Option<Reference>,
    pub(super) autoscaler: Autoscaler,
    /// Whether the last decision was about something that may be urgent.
    pub(super) hot: bool,
    /// The news since the last decision: when the first of the most urgent kind arrived.
    news: Option<(News, Timestamp)>,
    /// While a write is under way: cancelled when the policy is withdrawn meanwhile.
    pub(super) in_flight: Option<CancellationToken>,
    /// When the newest scale-down was written.
    pub(super) scaled_down_at: Option<Timestamp>,
    /// Whether another autoscaler was there at the last decision.
    in_conflict: bool,
    /// The failure last logged, so that one that lasts is logged once.
    pub(super) last_failure: Option<&'static str>,
    /// States that last, to be told.
    pub(super) notices: Notices,
    existence: Existence,
    /// Replicas that a dry run last wished for, so that each wish is logged once.
    last_wish: Option<u32>,
}

/// What a deployment and its policy went through before this process decided for it.
#[derive(Debug)]
pub(super) struct Past {
    /// What the deployment's replicas did, oldest first.
    pub(super) changes: Vec<ReplicaChange>,
    /// What another process learned.
    pub(super) learned: Vec<Learned>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Existence {
    Unknown,
    Exists,
    Missing,
}

impl Managed {
    /// `before` is what the deployment and its policy went through without us.
    pub(super) fn new(
        policy: Arc<ScalingPolicy>,
        reference: Option<Reference>,
        before: Past,
        now: Timestamp,
    ) -> Self {
        let Past { changes, learned } = before;
        let changes = changes
            .iter()
            .map(|change| (change.at, change.from, change.to));
        let mut autoscaler = Autoscaler::taking_over(ScalingPolicy::clone(&policy), changes, now);
        autoscaler.remember(learned);
        Managed {
            autoscaler,
            policy,
            reference,
            hot: false,
            news: None,
            in_flight: None,
            scaled_down_at: None,
            in_conflict: false,
            last_failure: None,
            notices: Notices::default(),
            existence: Existence::Unknown,
            last_wish: None,
        }
    }

    /// A new version of the policy; what was learned about the deployment stays.
    pub(super) fn set_policy(&mut self, policy: &Arc<ScalingPolicy>, reference: Option<Reference>) {
        self.reference = reference;
        if self.policy != *policy {
            if policy.mode != Mode::Active {
                self.withdraw();
            }
            if policy.mode != self.policy.mode {
                info!(
                    policy = %policy_name(policy),
                    deployment = %policy.deployment,
                    from = ?self.policy.mode,
                    to = ?policy.mode,
                    "mode changed"
                );
            }
            self.autoscaler.set_policy(ScalingPolicy::clone(policy));
            self.policy = policy.clone();
        }
    }

    /// Stops the write under way, if there is one, before its next attempt.
    pub(super) fn withdraw(&self) {
        if let Some(write) = &self.in_flight {
            write.cancel();
        }
    }

    /// What to tell about other autoscalers after a decision: when one appears, and when the last
    /// one is gone.
    pub(super) fn conflict_news(&mut self, decision: &Decision) -> Option<(Cause, String)> {
        let condition = decision
            .conditions
            .iter()
            .find(|condition| condition.kind == ConditionKind::Conflict)?;
        if std::mem::replace(&mut self.in_conflict, condition.status) == condition.status {
            return None;
        }
        let policy = policy_name(&self.policy);
        let consequence = match (condition.status, decision.mode) {
            (true, Mode::Active) => "it writes nothing until then",
            (true, Mode::DryRun | Mode::Paused) => "it would write nothing if it were active",
            (false, Mode::Active) => "it scales the deployment again",
            (false, Mode::DryRun | Mode::Paused) => "it may be made active",
        };
        let message = format!(
            "ScalingPolicy {policy}: {}; {consequence}",
            condition.message
        );
        let deployment = &self.policy.deployment;
        let cause = match condition.status {
            true => {
                warn!(%policy, %deployment, what = %message, "conflict");
                Cause::Conflict
            }
            false => {
                info!(%policy, %deployment, what = %message, "conflict is over");
                Cause::ConflictResolved
            }
        };
        Some((cause, message))
    }

    /// Something about the deployment `key` and this policy, to be told. Without `uid` it is told on
    /// the policy alone.
    pub(super) fn happening(
        &self,
        key: &DeploymentKey,
        uid: Option<Uid>,
        cause: Cause,
        message: String,
    ) -> Happening {
        Happening {
            subject: Subject {
                namespace: key.namespace.clone(),
                deployment: uid.map(|uid| Reference {
                    name: key.name.clone(),
                    uid,
                }),
                policy: self.reference.clone(),
            },
            cause,
            message,
        }
    }

    pub(super) fn is_in_conflict(&self) -> bool {
        self.in_conflict
    }

    /// A sample of one of its pods arrived.
    pub(super) fn note_news(&mut self, news: News, at: Timestamp) {
        if self.news.is_none_or(|(known, _)| news > known) {
            self.news = Some((news, at));
        }
    }

    /// When the news arrived that the decision now made is about, if there is any.
    pub(super) fn take_news(&mut self) -> Option<Timestamp> {
        self.news.take().map(|(_, at)| at)
    }

    pub(super) fn is_missing(&self) -> bool {
        self.existence == Existence::Missing
    }

    pub(super) fn status(&self) -> Status {
        match self.existence {
            Existence::Missing => self.missing_status(),
            Existence::Unknown | Existence::Exists => Status::InForce,
        }
    }

    /// Said once for each time it vanishes, and shown for as long as it is missing. Returns what is
    /// to be told when it is new.
    pub(super) fn deployment_missing(
        &mut self,
        key: &DeploymentKey,
        journal: &Journal,
    ) -> Option<String> {
        let status = self.missing_status();
        let news = match &status {
            Status::DeploymentNotFound(problem) if !self.is_missing() => Some(problem.clone()),
            _ => None,
        };
        if !self.is_missing() {
            self.existence = Existence::Missing;
            warn!(
                namespace = %key.namespace,
                deployment = %key.name,
                policy = %policy_name(&self.policy),
                file = %self.policy.origin.file,
                "policy for a deployment that does not exist; waiting for it"
            );
        }
        journal.set_status(&self.policy, status);
        news
    }

    pub(super) fn deployment_found(&mut self, key: &DeploymentKey) {
        if self.existence != Existence::Exists {
            self.existence = Existence::Exists;
            info!(
                namespace = %key.namespace,
                deployment = %key.name,
                policy = %policy_name(&self.policy),
                "deployment is managed"
            );
        }
    }

    fn missing_status(&self) -> Status {
        Status::DeploymentNotFound(format!(
            "there is no Deployment {}/{}; it is picked up when it appears",
            self.policy.namespace, self.policy.deployment
        ))
    }

    /// Holds are for debugging; what a dry run would have done is worth knowing. Returns whether it
    /// is a new wish of a dry run.
    pub(super) fn log(&mut self, key: &DeploymentKey, decision: &Decision) -> bool {
        let wish = (decision.mode == Mode::DryRun && decision.desired != decision.current)
            .then_some(decision.desired);
        let is_new = wish.is_some() && wish != self.last_wish;
        if is_new {
            info!(
                namespace = %key.namespace,
                deployment = %key.name,
                from = decision.current,
                to = decision.desired,
                reason = ?decision.reason,
                evidence = %evidence_text(decision),
                "dry run, replicas not changed"
            );
        } else {
            debug!(
                namespace = %key.namespace,
                deployment = %key.name,
                current = decision.current,
                desired = decision.desired,
                reason = ?decision.reason,
                evidence = %evidence_text(decision),
                message = %decision.message,
            );
        }
        self.last_wish = wish;
        is_new
    }

    pub(super) fn log_failure(&mut self, key: &DeploymentKey, from: u32, to: u32, why: &Outcome) {
        if self.last_failure != Some(why.name()) {
            log::failure(key, from, to, why);
            self.last_failure = Some(why.name());
        }
    }
}
