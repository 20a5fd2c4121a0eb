//! Tells of policies that are refused, with the sentence of their status: `kubectl apply` was content
//! with them, and who wrote one may see its Events first.

use crate::crd::{Condition, ScalingPolicyStatus, Standing};
use crate::events::{Cause, Happening, Reference, Subject};
use crate::policies::ObjectKey;

/// What there is to tell once the status has become `after`; nothing when `before` says the same of
/// the same generation, be it written by this process or by one that led before.
pub(super) fn refusal(
    standing: &Standing,
    before: Option<&ScalingPolicyStatus>,
    after: &ScalingPolicyStatus,
) -> Option<(Cause, String)> {
    let cause = match standing {
        Standing::Invalid { .. } => Cause::InvalidPolicy,
        Standing::Conflict { .. } => Cause::AnotherPolicy,
        Standing::InForce | Standing::DeploymentNotFound(_) => return None,
    };
    let now = ready(after)?;
    let said = |ready: &Condition| {
        (&ready.reason, &ready.message, ready.observed_generation)
            == (&now.reason, &now.message, now.observed_generation)
    };
    let known = before.and_then(ready).is_some_and(said);
    (!known).then(|| (cause, now.message.clone()))
}

/// Something about a policy that is an object, to be told on it.
pub(super) fn told_on(key: &ObjectKey, uid: &str, cause: Cause, message: String) -> Happening {
    Happening {
        subject: Subject {
            namespace: key.namespace.clone(),
            deployment: None,
            policy: Some(Reference {
                name: key.name.clone(),
                uid: uid.into(),
            }),
        },
        cause,
        message,
    }
}

fn ready(status: &ScalingPolicyStatus) -> Option<&Condition> {
    status.conditions.iter().find(|it| it.kind == "Ready")
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::Timestamp;

    use super::*;
    use crate::crd::{Findings, report};

    fn status(generation: i64, standing: &Standing) -> ScalingPolicyStatus {
        let findings = Findings {
            generation,
            standing,
            decision: None,
            write: None,
            last_scale: None,
            learned: &[],
            now: Timestamp::UNIX_EPOCH,
        };
        report(&findings, None)
    }

    fn invalid(problem: &str) -> Standing {
        Standing::Invalid {
            problem: problem.to_owned(),
            in_force: Some(1),
        }
    }

    #[test]
    fn each_refusal_is_told_once_in_the_words_of_the_status() {
        let (first, other) = (invalid("spec.window: too long"), invalid("spec.x: unknown"));
        let refused = status(2, &first);
        let told = "spec.window: too long; generation 1 stays in force".to_owned();
        let told = Some((Cause::InvalidPolicy, told));
        assert_eq!(refusal(&first, None, &refused), told, "a new object");
        let good = status(1, &Standing::InForce);
        assert_eq!(refusal(&first, Some(&good), &refused), told, "an edit");
        assert_eq!(refusal(&first, Some(&refused), &refused), None);
        let again = status(3, &first);
        assert_eq!(refusal(&first, Some(&refused), &again), told, "once more");
        assert!(refusal(&other, Some(&refused), &status(2, &other)).is_some());
        assert_eq!(refusal(&Standing::InForce, Some(&refused), &good), None);
    }

    #[test]
    fn another_policy_for_the_deployment_is_told_too() {
        let clash = Standing::Conflict {
            reason: "AnotherPolicy".to_owned(),
            message: "shop/web has two".to_owned(),
        };
        assert_eq!(
            refusal(&clash, None, &status(1, &clash)),
            Some((Cause::AnotherPolicy, "shop/web has two".to_owned()))
        );
    }
}
