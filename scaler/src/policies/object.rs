//! A policy as an object of the cluster, and what is seen of it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::crd::{ScalingPolicyStatus, Standing};

/// Namespace and name of a policy that is an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl ObjectKey {
    /// What stands where a file has its path: `ScalingPolicy shop/web`.
    pub fn origin(&self) -> String {
        format!("{} {self}", scaler_core::policy::KIND)
    }
}

/// An object as the API server has it.
#[derive(Debug, Clone, PartialEq)]
pub struct RawObject {
    /// Its UID: another object of the same name is another policy.
    pub uid: String,
    /// `metadata.generation`; 0 from a server that counts none.
    pub generation: i64,
    /// What matters of it, for [`scaler_core::policy::load_object`].
    pub json: String,
    /// Its status.
    pub status: SeenStatus,
}

/// The status of an object as it was last seen, be it written by this process or another.
///
/// Copies share it, and it is no part of the policy: objects that differ in it alone are equal, so
/// that a status that was written does not make everybody read all policies anew.
#[derive(Debug, Clone, Default)]
pub struct SeenStatus(Arc<Mutex<Option<ScalingPolicyStatus>>>);

impl SeenStatus {
    /// What was seen last; `None` when there was none, or one of another version.
    pub fn latest(&self) -> Option<ScalingPolicyStatus> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn see(&self, status: Option<ScalingPolicyStatus>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = status;
    }
}

impl PartialEq for SeenStatus {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// A policy that is an object, and whether it counts.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicyObject {
    /// Its UID: another object of the same name has a status of its own.
    pub uid: String,
    /// The generation that `standing` is about.
    pub generation: i64,
    /// Whether it counts; [`Standing::DeploymentNotFound`] is not known here.
    pub standing: Standing,
    /// Its status.
    pub status: SeenStatus,
}

/// All objects, as last seen.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Objects {
    /// Whether they have been listed, or cannot be: the custom resource is not installed, or may
    /// not be read.
    pub known: bool,
    /// The objects.
    pub by_key: BTreeMap<ObjectKey, RawObject>,
}
