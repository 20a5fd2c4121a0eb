//! Why a node does not start.

use std::path::PathBuf;
use std::time::Duration;

use crate::cgroup::CgroupError;
use crate::local_routes::RouteError;
use crate::lock::LockError;
use crate::metrics::CertificateError;

/// A failure of the node itself. What goes wrong with one pod is in that pod's status instead.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// Cgroups can only be made by root.
    #[error("the node needs root, to put pods into cgroups (effective user ID is {0}); use sudo")]
    NotRoot(u32),
    /// The name could not be used in paths.
    #[error(
        "node name {0:?} is not usable: expected 1 to 63 of a-z, 0-9 and '-', not '-' at either end"
    )]
    Name(String),
    /// A setting makes no sense.
    #[error("{0}")]
    Setting(&'static str),
    /// Another node of this name runs, or the lock file cannot be used.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Cgroups are missing, or leftovers could not be removed.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    /// The kubeconfig cannot be used.
    #[error("kubeconfig {} cannot be used: {source}", path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<kube::config::KubeconfigError>,
    },
    /// The client cannot be made from the configuration.
    #[error("no Kubernetes client from this configuration: {0}")]
    Client(#[source] Box<kube::Error>),
    /// The control plane did not answer in time.
    #[error("the control plane at {server} did not answer within {} s; is it running, and is the kubeconfig for it?", waited.as_secs())]
    Unreachable {
        /// Its URL.
        server: String,
        /// How long it was tried.
        waited: Duration,
        /// The last attempt's failure.
        source: Box<kube::Error>,
    },
    /// The kubeconfig's user lacks rights.
    #[error("the kubeconfig's user may not: {}; grant it these rights, or use another kubeconfig", .0.join("; "))]
    Forbidden(Vec<String>),
    /// Another kind of node has this name.
    #[error("a Node {0:?} exists that is not of this kind; choose another name")]
    NameTaken(String),
    /// A range of addresses cannot be used.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// The API server refused the node.
    #[error("cannot register node {name:?}: {source}")]
    Register {
        /// The node.
        name: String,
        /// The API server's answer.
        source: Box<kube::Error>,
    },
    /// The metrics server has no certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The run directory or a thread could not be made.
    #[error("cannot {action}: {source}")]
    System {
        /// What was tried.
        action: String,
        /// The system's reason.
        source: std::io::Error,
    },
}
