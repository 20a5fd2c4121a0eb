//! From a decision to a status: one value in, one value out, no clock and no I/O.
//!
//! The conditions and their reasons are the HPA's where it has them. `Ready` is ours, and strict: it is
//! true only while decisions are made from data and, when they ask for it, carried out.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp as WallTime;
use scaler_core::{ConditionKind, Decision, Evidence, Mode, Reason};

use super::findings::{Findings, Standing};
use super::status::{Condition, LastDecision, LearnedStatus, MetricStatus, ScalingPolicyStatus};
use crate::apply::Outcome;
use crate::text::{evidence_text, shortened};

/// Without a new decision for this long, none is being made: they fall due every few seconds.
const STALE_AFTER: Duration = Duration::from_secs(30);
/// For this long a change is told as the newest thing; the HPA's period, and so how long its
/// `SucceededRescale` lasts.
const JUST_RESCALED: Duration = Duration::from_secs(15);
/// The API server's limit of a condition's message, in bytes, is 32768; nobody reads that much.
const LONGEST_MESSAGE: usize = 1024;

/// Status and reason of a condition, and its sentence.
type Verdict = (&'static str, String, String);

const TRUE: &str = "True";
const FALSE: &str = "False";
const UNKNOWN: &str = "Unknown";

/// The status after `findings`; conditions that did not change keep the times of `before`.
pub fn report(
    findings: &Findings<'_>,
    before: Option<&ScalingPolicyStatus>,
) -> ScalingPolicyStatus {
    let decision = match findings.standing {
        Standing::InForce
        | Standing::Invalid {
            in_force: Some(_), ..
        } => findings.decision,
        _ => None,
    };
    let evidence = decision
        .map(|(decision, _)| decision.evidence.as_slice())
        .unwrap_or_default();
    let conditions = [
        ("Ready", ready(findings)),
        ("AbleToScale", able_to_scale(findings)),
        (
            "ScalingActive",
            from_decision(findings, ConditionKind::ScalingActive),
        ),
        (
            "ScalingLimited",
            from_decision(findings, ConditionKind::ScalingLimited),
        ),
        ("Conflict", conflict(findings)),
        (
            "NodeSaturated",
            from_decision(findings, ConditionKind::NodeSaturated),
        ),
    ];
    ScalingPolicyStatus {
        observed_generation: findings.generation,
        conditions: conditions
            .into_iter()
            .map(|(kind, verdict)| condition(kind, verdict, findings, before))
            .collect(),
        current_replicas: decision.map(|(decision, _)| count(decision.current)),
        desired_replicas: decision.map(|(decision, _)| count(decision.desired)),
        last_scale_time: findings
            .last_scale
            .map(Time)
            .or_else(|| before.and_then(|before| before.last_scale_time.clone())),
        metrics: evidence.iter().map(metric).collect(),
        metrics_summary: decision
            .filter(|_| !evidence.is_empty())
            .map(|(decision, _)| evidence_text(decision)),
        last_decision: decision.map(|(decision, at)| LastDecision {
            time: Time(at),
            reason: format!("{:?}", decision.reason),
            message: shortened(&decision.message, LONGEST_MESSAGE),
        }),
        // What a predecessor learned stays until something else is.
        learned: match findings.learned {
            [] => before.and_then(|before| before.learned.clone()),
            learned => Some(learned.iter().map(LearnedStatus::from).collect()),
        },
    }
}

fn ready(findings: &Findings<'_>) -> Verdict {
    let no = |reason: &str, message: &str| (FALSE, reason.to_owned(), message.to_owned());
    match findings.standing {
        Standing::InForce => {}
        Standing::DeploymentNotFound(message) => return no("DeploymentNotFound", message),
        Standing::Conflict { reason, message } => return no(reason, message),
        Standing::Invalid { problem, in_force } => {
            let rest = match in_force {
                Some(generation) => format!("; generation {generation} stays in force"),
                None => "; nothing is measured or scaled".to_owned(),
            };
            return no("InvalidPolicy", &format!("{problem}{rest}"));
        }
    }
    let Some((decision, at)) = findings.decision else {
        return (
            UNKNOWN,
            "Starting".to_owned(),
            "no decision has been made yet".to_owned(),
        );
    };
    if is_older(at, STALE_AFTER, findings.now) {
        let message = format!("no decision for more than {} s", STALE_AFTER.as_secs());
        return (UNKNOWN, "NoDecisions".to_owned(), message);
    }
    if let Some((reason, message)) = failure(findings, decision) {
        return no(reason, &message);
    }
    let yes = |reason: &str, message: &str| (TRUE, reason.to_owned(), message.to_owned());
    match (decision.reason, decision.mode) {
        (Reason::InsufficientData, _) => no("InsufficientData", &decision.message),
        (Reason::Conflict, _) => no("AnotherAutoscaler", &decision.message),
        (Reason::ClusterSilent, _) => no("ClusterSilent", &decision.message),
        (Reason::Fallback, _) => no("Fallback", &decision.message),
        (Reason::ScalingDisabled, _) => yes("ScalingDisabled", &decision.message),
        (_, Mode::Paused) => yes("Paused", "the metrics are shown, the replica count stays"),
        (_, Mode::DryRun) => yes("DryRun", "decisions are made and shown, not carried out"),
        (_, Mode::Active) => yes("Scaling", "the replica count follows the metrics"),
    }
}

fn able_to_scale(findings: &Findings<'_>) -> Verdict {
    if let Standing::DeploymentNotFound(message) = findings.standing {
        return (FALSE, "FailedGetScale".to_owned(), message.clone());
    }
    let (status, reason, message) = from_decision(findings, ConditionKind::AbleToScale);
    let Some((decision, _)) = findings.decision.filter(|_| status == TRUE) else {
        return (status, reason, message);
    };
    if let Some((reason, message)) = failure(findings, decision) {
        return (FALSE, reason.to_owned(), message);
    }
    let just_rescaled = findings
        .last_scale
        .is_some_and(|at| !is_older(at, JUST_RESCALED, findings.now));
    match reason.as_str() {
        "ReadyForNewScale" if just_rescaled => (
            TRUE,
            "SucceededRescale".to_owned(),
            "the replicas of the Deployment were changed".to_owned(),
        ),
        _ => (TRUE, reason, message),
    }
}

/// Why a change that `decision` still asks for was not made. A failure that it asks for no more is
/// history.
fn failure(findings: &Findings<'_>, decision: &Decision) -> Option<(&'static str, String)> {
    decision.change()?;
    match findings.write? {
        Outcome::Failed { problem } => Some(("FailedUpdateScale", problem.clone())),
        Outcome::Gone => Some((
            "FailedGetScale",
            "the Deployment was deleted meanwhile".to_owned(),
        )),
        Outcome::RateLimited { scope } => Some((
            "RateLimited",
            format!("changes are as frequent as the limit allows ({scope:?})"),
        )),
        // The decision's own conditions tell of the others: of rivals, and of a policy that wants it
        // no more.
        Outcome::Applied { .. }
        | Outcome::Conflict { .. }
        | Outcome::NotLeader
        | Outcome::Rival { .. }
        | Outcome::Withdrawn => None,
    }
}

/// What the decision says about `kind`, or why there is none.
fn from_decision(findings: &Findings<'_>, kind: ConditionKind) -> Verdict {
    let none = |reason: &str, message: &str| (UNKNOWN, reason.to_owned(), message.to_owned());
    match findings.standing {
        Standing::InForce
        | Standing::Invalid {
            in_force: Some(_), ..
        } => {}
        Standing::DeploymentNotFound(message) => return none("DeploymentNotFound", message),
        Standing::Conflict { .. } | Standing::Invalid { in_force: None, .. } => {
            return none(
                "NotInForce",
                "the policy is not in force; see condition Ready",
            );
        }
    }
    let condition = findings
        .decision
        .and_then(|(decision, _)| decision.conditions.iter().find(|c| c.kind == kind));
    match condition {
        Some(condition) => (
            if condition.status { TRUE } else { FALSE },
            condition.reason.to_owned(),
            condition.message.clone(),
        ),
        None => none("Starting", "no decision has been made yet"),
    }
}

/// With another policy, or, as the newest decision saw it, with another autoscaler.
fn conflict(findings: &Findings<'_>) -> Verdict {
    if let Standing::Conflict { reason, message } = findings.standing {
        return (TRUE, reason.clone(), message.clone());
    }
    let decided = findings.decision.and_then(|(decision, _)| {
        let mut conditions = decision.conditions.iter();
        conditions.find(|condition| condition.kind == ConditionKind::Conflict)
    });
    match decided {
        Some(rival) if rival.status => {
            (TRUE, "AnotherAutoscaler".to_owned(), rival.message.clone())
        }
        _ => (
            FALSE,
            "SoleOwner".to_owned(),
            "nothing else is known to scale this Deployment".to_owned(),
        ),
    }
}

fn condition(
    kind: &str,
    (status, reason, message): Verdict,
    findings: &Findings<'_>,
    before: Option<&ScalingPolicyStatus>,
) -> Condition {
    let unchanged_since = before
        .and_then(|before| before.conditions.iter().find(|c| c.kind == kind))
        .filter(|condition| condition.status == status)
        .map(|condition| condition.last_transition_time.clone());
    Condition {
        kind: kind.to_owned(),
        status: status.to_owned(),
        observed_generation: findings.generation,
        last_transition_time: unchanged_since.unwrap_or(Time(findings.now)),
        reason,
        message: shortened(&message, LONGEST_MESSAGE),
    }
}

fn metric(evidence: &Evidence) -> MetricStatus {
    MetricStatus {
        name: evidence.metric.name().to_owned(),
        container: evidence.container.clone(),
        statistic: evidence.statistic.name().to_owned(),
        value: evidence.value.map(|_| evidence.value_text.clone()),
        threshold: evidence.threshold.map(|_| evidence.threshold_text.clone()),
        desired_replicas: evidence.proposal.map(count),
    }
}

fn count(replicas: u32) -> i32 {
    i32::try_from(replicas).unwrap_or(i32::MAX)
}

/// Whether `at` is more than `age` before `now`; what lies ahead is not old.
fn is_older(at: WallTime, age: Duration, now: WallTime) -> bool {
    Duration::try_from(now.duration_since(at)).is_ok_and(|since| since > age)
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
