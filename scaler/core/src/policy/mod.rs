//! What the user wants: scaling policies, read from YAML and checked.

mod behavior_schema;
mod claim;
mod document;
mod error;
mod fields;
pub mod limits;
mod metric_schema;
mod schema;
#[cfg(test)]
mod tests;
mod words;
mod yaml;

pub use claim::{Claim, check_claims};
pub use error::PolicyError;
pub use schema::{API_VERSION, KIND, TARGET_API_VERSION, TARGET_KIND};

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::behavior::Behavior;
use crate::fallback::Fallback;
use crate::metric::Metric;
use crate::statistic::Statistic;
use crate::unit::Quantity;
use fields::{Field, Problems};
use yaml::{Document, Node};

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
    /// What to do when data stays away; `None` = hold for as long as it does.
    pub fallback: Option<Fallback>,
    /// Where it was read.
    pub origin: Origin,
}

/// Where a policy was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// As given to [`load`] or [`load_object`].
    pub file: String,
    /// Line of the document, from 1; `None` for an object, which has no lines.
    pub line: Option<usize>,
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

/// What a text holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reading {
    /// The valid documents.
    pub policies: Vec<ScalingPolicy>,
    /// Which deployment each document is for, as far as that can be read; invalid ones included, so
    /// that a clash is named together with the mistakes and not after them.
    pub claims: Vec<Claim>,
    /// Everything that is wrong with the text, not only the first thing; text without any policy is
    /// an error too.
    pub errors: Vec<PolicyError>,
}

/// Reads the policies in `text`, one per YAML document. `file` is only a name, for messages.
///
/// Whether two policies clash is not asked here but by [`check_claims`], over all files.
///
/// # Errors
/// [`Reading::errors`], when there are any.
pub fn load(text: &str, file: &str) -> Result<Vec<ScalingPolicy>, Vec<PolicyError>> {
    let reading = read(text, file);
    match reading.errors.is_empty() {
        true => Ok(reading.policies),
        false => Err(reading.errors),
    }
}

/// Reads `text` as [`load`] does, and keeps what is valid beside what is not.
#[must_use]
pub fn read(text: &str, file: &str) -> Reading {
    let error = |line, field: String, message| PolicyError {
        file: file.to_owned(),
        line,
        field,
        message,
    };
    let Reading {
        mut policies,
        mut claims,
        mut errors,
    } = Reading::default();
    for (index, document) in yaml::documents(text).enumerate() {
        let Document { line, root } = match document {
            Ok(Document {
                root: Node::Null, ..
            }) => continue,
            Ok(document) => document,
            Err(syntax) => {
                errors.push(error(syntax.line, String::new(), syntax.message));
                continue;
            }
        };
        if let Some(claim) = schema::claim(&root) {
            let origin = Origin {
                file: file.to_owned(),
                line: Some(line),
            };
            claims.push(Claim { origin, ..claim });
        }
        let problems = Problems::default();
        let policy = schema::policy(&Field::root(&root, &problems));
        if let (Some(policy), 0) = (policy, problems.len()) {
            let origin = Origin {
                file: file.to_owned(),
                line: Some(line),
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
    Reading {
        policies,
        claims,
        errors,
    }
}

/// Reads one policy that is an object of an API, as JSON; its status is left alone. `name` is only a
/// name, for messages. Nothing in the reading has a line that means something: the text is nobody's.
#[must_use]
pub fn read_object(json: &str, name: &str) -> Reading {
    let mut reading = read(json, name);
    let origin = || Origin {
        file: name.to_owned(),
        line: None,
    };
    if reading.errors.is_empty() && reading.policies.len() != 1 {
        reading.policies.clear();
        reading.errors.push(PolicyError {
            file: name.to_owned(),
            line: 1,
            field: String::new(),
            message: "expected one object".to_owned(),
        });
    }
    for policy in &mut reading.policies {
        policy.origin = origin();
    }
    for claim in &mut reading.claims {
        claim.origin = origin();
    }
    reading
}

/// Reads one object as [`read_object`] does.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load_object(json: &str, name: &str) -> Result<ScalingPolicy, Vec<PolicyError>> {
    let reading = read_object(json, name);
    match reading.policies.into_iter().next() {
        Some(policy) if reading.errors.is_empty() => Ok(policy),
        _ => Err(reading.errors),
    }
}

/// Checks what only shows between policies: two for one deployment, or two of one name.
///
/// # Errors
/// One for each policy that clashes with an earlier one; it names both.
pub fn check_set<'a>(
    policies: impl IntoIterator<Item = &'a ScalingPolicy>,
) -> Result<(), Vec<PolicyError>> {
    let claims: Vec<Claim> = policies.into_iter().map(Claim::of).collect();
    let errors = check_claims(&claims);
    match errors.is_empty() {
        true => Ok(()),
        false => Err(errors),
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(formatter, "{}:{line}", self.file),
            None => formatter.write_str(&self.file),
        }
    }
}
