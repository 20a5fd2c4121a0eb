//! What the user wants: scaling policies, read from YAML and checked.

mod behavior_schema;
mod error;
mod fields;
mod metric_schema;
mod schema;
#[cfg(test)]
mod tests;
mod yaml;

pub use error::PolicyError;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::behavior::Behavior;
use crate::metric::Metric;
use crate::statistic::Statistic;
use crate::unit::Quantity;
use fields::{Field, Problems};
use yaml::Node;

/// How one deployment shall be scaled. Checked: a value of this type makes sense as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct ScalingPolicy {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.namespace`, which is also the deployment's.
    pub namespace: String,
    /// `spec.scaleTargetRef.name`.
    pub deployment: String,
    /// Never fewer; at least 1.
    pub min_replicas: u32,
    /// Never more; at least `min_replicas`.
    pub max_replicas: u32,
    /// Whether decisions are carried out.
    pub mode: Mode,
    /// What each statistic looks back over.
    pub window: Duration,
    /// Pods younger than this are unready.
    pub warmup: Duration,
    /// At least one, at least one of which proposes.
    pub metrics: Vec<MetricPolicy>,
    /// Stabilisation, rate limits, tolerance.
    pub behavior: Behavior,
    /// Where it was read.
    pub origin: Origin,
}

/// Where a policy was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// As given to [`load`].
    pub file: String,
    /// Line of the document, from 1.
    pub line: usize,
}

/// What becomes of decisions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize)]
pub enum Mode {
    /// They are carried out.
    #[default]
    Active,
    /// They are made and shown, not carried out.
    DryRun,
    /// The metrics are shown, the replica count stays.
    Paused,
}

/// How one metric counts.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricPolicy {
    /// What is measured.
    pub metric: Metric,
    /// In which container; `None` = in all of the pod, together.
    pub container: Option<String>,
    /// Which number stands for the window.
    pub statistic: Statistic,
    /// What it is compared with; `None` exactly when the response is [`Response::Observe`].
    pub threshold: Option<Quantity>,
    /// The probability with which events are recorded, in (0, 1].
    pub sampling: f64,
    /// How it is answered.
    pub response: Response,
}

/// How a metric is turned into replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum Response {
    /// One more above the threshold, one fewer well below it.
    Step,
    /// In proportion to value over threshold, as the HPA does.
    Proportional,
    /// From the demand for CPU and the waiting for it.
    Queueing,
    /// Not at all: measured and shown.
    Observe,
}

/// No more problems than this are reported for one file; somebody who gave us the wrong file does
/// not want to read them all.
const MOST_PROBLEMS: usize = 100;

/// Reads the policies in `text`, one per YAML document. `file` is only a name, for messages.
///
/// Whether two policies clash is not asked here but by [`check_set`], over all files.
///
/// # Errors
/// Everything that is wrong with the text, not only the first thing; text without any policy is an
/// error too.
pub fn load(text: &str, file: &str) -> Result<Vec<ScalingPolicy>, Vec<PolicyError>> {
    let error = |line, field: String, message| PolicyError {
        file: file.to_owned(),
        line,
        field,
        message,
    };
    let mut policies = Vec::new();
    let mut errors = Vec::new();
    for (index, document) in yaml::documents(text).enumerate() {
        let document = match document {
            Ok(Node::Null) => continue,
            Ok(document) => document,
            Err(syntax) => {
                errors.push(error(syntax.line, String::new(), syntax.message));
                continue;
            }
        };
        let problems = Problems::default();
        let policy = schema::policy(&Field::root(&document, &problems));
        if let (Some(policy), 0) = (policy, problems.len()) {
            let origin = Origin {
                file: file.to_owned(),
                line: yaml::locate(text, index, &[]),
            };
            policies.push(ScalingPolicy { origin, ..policy });
        }
        for problem in problems.into_inner() {
            let line = yaml::locate(text, index, &problem.path);
            errors.push(error(
                line,
                fields::path_text(&problem.path),
                problem.message,
            ));
        }
        if errors.len() >= MOST_PROBLEMS {
            errors.truncate(MOST_PROBLEMS);
            break;
        }
    }
    if policies.is_empty() && errors.is_empty() {
        let message = "expected a ScalingPolicy, found no document".to_owned();
        errors.push(error(1, String::new(), message));
    }
    if errors.is_empty() {
        Ok(policies)
    } else {
        Err(errors)
    }
}

/// Checks what only shows between policies: two for one deployment, or two of one name.
///
/// # Errors
/// One for each policy that clashes with an earlier one; it names both.
pub fn check_set<'a>(
    policies: impl IntoIterator<Item = &'a ScalingPolicy>,
) -> Result<(), Vec<PolicyError>> {
    let mut targets = BTreeMap::new();
    let mut names = BTreeMap::new();
    let mut errors = Vec::new();
    for policy in policies {
        let target = (&policy.namespace, &policy.deployment);
        let name = (&policy.namespace, &policy.name);
        let first = (
            targets.entry(target).or_insert(policy),
            names.entry(name).or_insert(policy),
        );
        let (field, message) = match first {
            (first, _) if !std::ptr::eq(*first, policy) => (
                "spec.scaleTargetRef.name",
                format!(
                    "deployment {}/{} already has policy `{}` ({}); expected one policy per deployment",
                    target.0, target.1, first.name, first.origin
                ),
            ),
            (_, first) if !std::ptr::eq(*first, policy) => (
                "metadata.name",
                format!(
                    "policy {}/{} is already at {}",
                    name.0, name.1, first.origin
                ),
            ),
            _ => continue,
        };
        errors.push(PolicyError {
            file: policy.origin.file.clone(),
            line: policy.origin.line,
            field: field.to_owned(),
            message,
        });
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(errors)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.file, self.line)
    }
}
