//! Which policy is for which deployment, and where two are for one.

use std::collections::BTreeMap;

use super::{Origin, PolicyError, ScalingPolicy};

/// That a document is for a deployment, whether the rest of it is valid or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// `metadata.namespace`, which is also the deployment's.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// `spec.scaleTargetRef.name`.
    pub deployment: String,
    /// Where it was read.
    pub origin: Origin,
}

impl Claim {
    /// What a valid policy is for.
    #[must_use]
    pub fn of(policy: &ScalingPolicy) -> Self {
        Self {
            namespace: policy.namespace.clone(),
            name: policy.name.clone(),
            deployment: policy.deployment.clone(),
            origin: policy.origin.clone(),
        }
    }

    /// Whether both are for the same deployment.
    #[must_use]
    pub fn is_for_the_same(&self, other: &Self) -> bool {
        (&self.namespace, &self.deployment) == (&other.namespace, &other.deployment)
    }
}

/// Checks what only shows between documents: two for one deployment, or two of one name. One error
/// for each that clashes with an earlier one; it names both.
#[must_use]
pub fn check_claims(claims: &[Claim]) -> Vec<PolicyError> {
    let mut targets = BTreeMap::new();
    let mut names = BTreeMap::new();
    let mut errors = Vec::new();
    for claim in claims {
        let target = (&claim.namespace, &claim.deployment);
        let name = (&claim.namespace, &claim.name);
        let first: (&Claim, &Claim) = (
            *targets.entry(target).or_insert(claim),
            *names.entry(name).or_insert(claim),
        );
        let (field, message) = match first {
            (first, _) if !std::ptr::eq(first, claim) => (
                "spec.scaleTargetRef.name",
                format!(
                    "deployment {}/{} already has policy `{}` ({}); expected one policy per deployment",
                    target.0, target.1, first.name, first.origin
                ),
            ),
            (_, first) if !std::ptr::eq(first, claim) => (
                "metadata.name",
                format!(
                    "policy {}/{} is already at {}",
                    name.0, name.1, first.origin
                ),
            ),
            _ => continue,
        };
        errors.push(PolicyError {
            file: claim.origin.file.clone(),
            // Objects are not checked here, and what has no line begins its file.
            line: claim.origin.line.unwrap_or(1),
            field: field.to_owned(),
            message,
        });
    }
    errors
}
