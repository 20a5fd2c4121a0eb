//! What forbids writing, whatever the metrics say.

use std::fmt;

use serde::Serialize;

/// What stands around one deployment at one moment. The default forbids nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Circumstances {
    /// Other autoscalers of the same deployment, in a stable order. While there is one, an active
    /// policy holds: two writers of one number fight.
    pub rivals: Vec<Rival>,
    /// Why what the API server says about the deployment and its pods is old, such as a watch that
    /// fails; `None` while it is fresh. An active policy holds until it is.
    pub outdated: Option<String>,
}

/// Another autoscaler that has the deployment for a target.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Rival {
    /// What it is.
    pub kind: RivalKind,
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
}

/// The kinds of autoscalers that are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum RivalKind {
    /// `keda.sh` ScaledObject; it scales by itself and through an HPA that it owns.
    ScaledObject,
    /// `autoscaling` HorizontalPodAutoscaler.
    HorizontalPodAutoscaler,
}

impl RivalKind {
    /// The kind as manifests spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ScaledObject => "ScaledObject",
            Self::HorizontalPodAutoscaler => "HorizontalPodAutoscaler",
        }
    }
}

impl fmt::Display for RivalKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl fmt::Display for Rival {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}

impl Circumstances {
    /// Who else scales the deployment and what to do about it; `None` without rivals.
    #[must_use]
    pub fn conflict(&self) -> Option<String> {
        let [first, ..] = self.rivals.as_slice() else {
            return None;
        };
        let names: Vec<String> = self.rivals.iter().map(ToString::to_string).collect();
        let (verb, object) = match self.rivals.len() {
            1 => ("scales", format!("the {}", first.kind)),
            _ => ("scale", "all of them".to_owned()),
        };
        Some(format!(
            "{} {verb} this deployment too; delete {object}, or this policy",
            names.join(" and ")
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conflict_names_the_rivals_and_what_to_do() {
        let hpa = Rival {
            kind: RivalKind::HorizontalPodAutoscaler,
            namespace: "shop".to_owned(),
            name: "web".to_owned(),
        };
        let mut circumstances = Circumstances::default();
        assert_eq!(circumstances.conflict(), None);
        circumstances.rivals.push(hpa.clone());
        assert_eq!(
            circumstances.conflict().as_deref(),
            Some(
                "HorizontalPodAutoscaler shop/web scales this deployment too; delete the \
                 HorizontalPodAutoscaler, or this policy"
            )
        );
        circumstances.rivals.push(Rival {
            name: "other".to_owned(),
            ..hpa
        });
        let text = circumstances.conflict().unwrap();
        assert!(
            text.contains(" and ") && text.contains("delete all of them"),
            "{text}"
        );
    }
}
