//! What a node is told before it starts.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::api::core::v1::Taint;
use kube::config::{KubeConfigOptions, Kubeconfig};

use crate::address::Cidr;
use crate::error::NodeError;

/// Longest node name; with it, cgroup and lock file names stay within the kernel's limits.
const MAX_NAME: usize = 63;

/// Key of the taint that a pod has to tolerate by name, and of the Node's label.
pub const HOST_PROCESSES: &str = "viperscale.dev/host-processes";

/// Settings of one node. [`NodeConfig::new`] fills in the defaults; every field can be changed.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// Name of the Node object and of everything on this machine that belongs to it. Lower-case
    /// letters, digits and `-`, at most 63.
    pub name: String,
    /// The API server and the credentials for it.
    pub kube: kube::Config,
    /// Directory for logs; made if it does not exist.
    pub run_dir: PathBuf,
    /// Range of the pods' addresses. Nodes on one machine need different ones.
    pub pod_cidr: Cidr,
    /// Range of Services whose addresses are served here besides those in 127.0.0.0/8: for control
    /// planes that give out others, on machines without a service proxy of their own.
    pub service_cidr: Option<Cidr>,
    /// The node's own address in its status.
    pub address: IpAddr,
    /// Pods at a time.
    pub max_pods: u32,
    /// Labels besides those that every node has.
    pub labels: BTreeMap<String, String>,
    /// Taints that keep away pods that do not tolerate them.
    pub taints: Vec<Taint>,
    /// Whether only pods run that tolerate [`HOST_PROCESSES`] by name, and the Node has that taint.
    /// A node that joins a real cluster needs it: it runs host programs, as root, instead of the
    /// images that others expect, and DaemonSets tolerate any taint.
    pub tainted: bool,
    /// How long a control plane that does not answer is waited for at the start; `None` for ever.
    pub wait: Option<Duration>,
    /// Size at which a container's log starts anew, in bytes; the one before it is kept.
    pub log_max_bytes: u64,
    /// Client connections of the service proxy at a time.
    pub max_connections: usize,
    /// Longest time that pods get to end when the node shuts down.
    pub shutdown_grace: Duration,
    /// Whether a graceful shutdown deletes the Node and Lease objects.
    pub deregister: bool,
    /// How long a shutdown tries to delete objects of a cluster that does not answer.
    pub deregister_time: Duration,
    /// Whether the cluster's `metrics.k8s.io` is served by this node.
    pub metrics_api: MetricsApi,
}

/// What a node does about `metrics.k8s.io`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MetricsApi {
    /// Serves it for its own pods, unless something else in the cluster serves it already.
    #[default]
    Register,
    /// Measures and serves nothing.
    Off,
}

impl NodeConfig {
    /// A node with defaults: 110 pods in 127.10.0.0/16, 10 MiB of log, 4096 connections, 5 s to end,
    /// metrics served.
    pub fn new(name: impl Into<String>, kube: kube::Config, run_dir: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            kube,
            run_dir: run_dir.into(),
            pod_cidr: Cidr::PODS,
            service_cidr: None,
            address: Ipv4Addr::LOCALHOST.into(),
            max_pods: 110,
            labels: BTreeMap::new(),
            taints: Vec::new(),
            tainted: false,
            wait: None,
            log_max_bytes: 10 << 20,
            max_connections: 4_096,
            shutdown_grace: Duration::from_secs(5),
            deregister: true,
            deregister_time: Duration::from_secs(3),
            metrics_api: MetricsApi::default(),
        }
    }

    /// The same, with the API server of a kubeconfig file's current context.
    ///
    /// # Errors
    /// When the file cannot be read or does not describe a usable cluster.
    pub async fn from_kubeconfig(
        name: impl Into<String>,
        kubeconfig: &Path,
        run_dir: impl Into<PathBuf>,
    ) -> Result<Self, NodeError> {
        let failed = |source| NodeError::Kubeconfig {
            path: kubeconfig.to_owned(),
            source: Box::new(source),
        };
        let file = Kubeconfig::read_from(kubeconfig).map_err(failed)?;
        let options = KubeConfigOptions::default();
        let kube = kube::Config::from_custom_kubeconfig(file, &options)
            .await
            .map_err(failed)?;
        Ok(Self::new(name, kube, run_dir))
    }

    pub(crate) fn check(&self) -> Result<(), NodeError> {
        check_name(&self.name)?;
        if self.max_pods == 0 || self.max_connections == 0 {
            return Err(NodeError::Setting(
                "max_pods and max_connections must be at least 1",
            ));
        }
        if self
            .service_cidr
            .is_some_and(|services| services.overlaps(self.pod_cidr))
        {
            return Err(NodeError::Setting(
                "the ranges of pods and services must not overlap",
            ));
        }
        Ok(())
    }
}

/// A node's name is part of paths that are removed recursively: only plain names pass.
pub(crate) fn check_name(name: &str) -> Result<(), NodeError> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let ends = |b: Option<&u8>| b.is_some_and(|b| *b != b'-');
    let bytes = name.as_bytes();
    let valid = bytes.len() <= MAX_NAME
        && bytes.iter().copied().all(plain)
        && ends(bytes.first())
        && ends(bytes.last());
    if valid {
        Ok(())
    } else {
        Err(NodeError::Name(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_pass() {
        for good in ["local", "node-1", "0"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "-a",
            "a-",
            "A",
            "a/b",
            "..",
            "a.b",
            "a b",
            &"a".repeat(64),
        ] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
