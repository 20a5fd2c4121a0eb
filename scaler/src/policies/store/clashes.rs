//! Policies that are for the same deployment, or have the same name.

use scaler_core::ScalingPolicy;
use scaler_core::policy::Claim;

use super::super::Problem;
use super::PolicyStore;

impl PolicyStore {
    /// Clashes of documents that are not in force because their file has other mistakes, and of such
    /// objects: told with those, so that mending them does not end in the next surprise. Nobody else
    /// is refused for it.
    pub(super) fn clashes_of_rejected(&self) -> Vec<Problem> {
        // What stays in force of something invalid is an older version of the same policies.
        let of_files = self.files.values().flat_map(|state| {
            let valid = state.valid.iter().map(|policy| Claim::of(policy));
            claims(valid, &state.rejected)
        });
        let of_objects = self.objects.values().flat_map(|state| {
            let valid = state.valid.iter().map(|(_, policy)| Claim::of(policy));
            claims(valid, &state.rejected)
        });
        let all: Vec<Claim> = of_files.chain(of_objects).collect();
        let of_files = self.files.values().flat_map(|state| &state.rejected);
        let of_objects = self.objects.values().flat_map(|state| &state.rejected);
        let rejected = of_files.chain(of_objects);
        let clash = |claim: &Claim| {
            let other = all
                .iter()
                .find(|other| other.origin != claim.origin && other.is_for_the_same(claim))?;
            Some(Problem {
                file: claim.origin.file.clone().into(),
                line: claim.origin.line,
                field: "spec.scaleTargetRef.name".to_owned(),
                message: format!(
                    "deployment {}/{} has another policy ({}/{} at {}); expected one policy for each \
                     deployment",
                    claim.namespace, claim.deployment, other.namespace, other.name, other.origin
                ),
            })
        };
        rejected.filter_map(clash).collect()
    }
}

/// What something is for: what was `rejected` of it, or else what is `valid`.
fn claims(valid: impl Iterator<Item = Claim>, rejected: &[Claim]) -> Vec<Claim> {
    match rejected {
        [] => valid.collect(),
        rejected => rejected.to_vec(),
    }
}

/// Another one of `all` than `policy`.
pub(super) fn other_than<'a>(
    policy: &ScalingPolicy,
    all: &[&'a ScalingPolicy],
) -> Option<&'a ScalingPolicy> {
    all.iter()
        .copied()
        .find(|other| other.origin != policy.origin)
}

pub(super) fn clash_of_deployments(policy: &ScalingPolicy, other: &ScalingPolicy) -> String {
    format!(
        "deployment {}/{} has another policy ({}/{} at {}), so neither is in force; expected one \
         policy for each deployment",
        policy.namespace, policy.deployment, other.namespace, other.name, other.origin
    )
}

pub(super) fn clash_of_names(policy: &ScalingPolicy, other: &ScalingPolicy) -> String {
    format!(
        "another policy is called {}/{} too ({}), so neither is in force; expected different names",
        policy.namespace, policy.name, other.origin
    )
}
