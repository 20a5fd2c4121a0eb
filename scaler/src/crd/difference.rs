//! Which changes of a status are worth a request, and which can wait.

use super::status::ScalingPolicyStatus;

/// How much two statuses differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difference {
    /// Not at all.
    None,
    /// In measured values, times and sentences.
    Values,
    /// In what somebody would act on: a condition, a replica count, the generation.
    State,
}

/// How much `after` differs from `before`.
pub fn difference(before: Option<&ScalingPolicyStatus>, after: &ScalingPolicyStatus) -> Difference {
    let Some(before) = before else {
        return Difference::State;
    };
    let state = |status: &ScalingPolicyStatus| {
        let conditions: Vec<_> = status
            .conditions
            .iter()
            .map(|c| (c.kind.clone(), c.status.clone(), c.reason.clone()))
            .collect();
        (
            status.observed_generation,
            conditions,
            status.current_replicas,
            status.desired_replicas,
        )
    };
    match (before == after, state(before) == state(after)) {
        (true, _) => Difference::None,
        (false, true) => Difference::Values,
        (false, false) => Difference::State,
    }
}
