//! The policies in force: files of a directory and objects of the cluster, mixed.
//!
//! ```text
//! directory  ─▶ source (read) ─┐
//! API server ─▶ objects ───────┴▶ store (parse, keep the last valid version, refuse clashes)
//!     └─ watch: notify, a slow poll, a watch ─▶ PolicySet, published to everyone who follows
//! ```

mod object;
mod objects;
mod source;
mod store;
mod watch;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use scaler_core::ScalingPolicy;
use serde::Serialize;

pub use object::{ObjectKey, Objects, PolicyObject, RawObject, SeenStatus};
pub use objects::watch_objects;
pub use source::{PolicyFile, policy_files, read_directory, read_file};
pub use store::PolicyStore;
pub use watch::watch;

use crate::workloads::DeploymentKey;

/// The outcome of one reading of the directory.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PolicySet {
    /// At most one policy for each deployment.
    pub in_force: BTreeMap<DeploymentKey, Arc<ScalingPolicy>>,
    /// Valid policies that clash with another, so that neither is in force.
    pub refused: Vec<RefusedPolicy>,
    /// What is wrong with files and objects, clashes included.
    pub problems: Vec<Problem>,
    /// Every policy that is an object, in force or not: each has a status.
    pub objects: Arc<BTreeMap<ObjectKey, PolicyObject>>,
}

impl PolicySet {
    /// The object that `policy` is; `None` for a policy of a file.
    pub fn object_of(&self, policy: &ScalingPolicy) -> Option<&PolicyObject> {
        // An object has no line, and a file has one.
        if policy.origin.line.is_some() {
            return None;
        }
        self.objects.get(&ObjectKey {
            namespace: policy.namespace.as_str().into(),
            name: policy.name.as_str().into(),
        })
    }
}

/// A policy that is not in force though it is valid by itself.
#[derive(Debug, Clone, PartialEq)]
pub struct RefusedPolicy {
    /// The policy.
    pub policy: Arc<ScalingPolicy>,
    /// Why it is refused, naming the other one.
    pub reason: String,
}

/// One thing that is wrong with the policies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// The file, the directory, or the object (`ScalingPolicy shop/web`).
    pub file: PathBuf,
    /// The line, from 1; absent when it is about the file as a whole, and for objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// The field; empty when it is about no single field.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub field: String,
    /// What is wrong and what was expected.
    pub message: String,
}

impl Problem {
    pub(crate) fn with_file(file: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Problem {
            file: file.into(),
            line: None,
            field: String::new(),
            message: message.into(),
        }
    }
}

impl From<scaler_core::PolicyError> for Problem {
    fn from(error: scaler_core::PolicyError) -> Self {
        Problem {
            file: error.file.into(),
            line: Some(error.line),
            field: error.field,
            message: error.message,
        }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        if !self.field.is_empty() {
            write!(f, " {}:", self.field)?;
        }
        write!(f, " {}", self.message)
    }
}

/// The deployment a policy is for.
pub fn target_of(policy: &ScalingPolicy) -> DeploymentKey {
    DeploymentKey::new(&policy.namespace, &policy.deployment)
}
