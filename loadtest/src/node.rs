//! `loadtest node`: the node runtime by itself, for the local cluster or any other control plane.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use k8s_openapi::api::core::v1::Taint;
use local_node::{Cidr, NodeConfig};
use tokio_util::sync::CancellationToken;

use crate::local::DEFAULT_PARENT;

/// How long the end of the node tries to delete its objects of a cluster that does not answer. Below
/// the time after which the harness kills a process that does not end.
const DEREGISTER_TIME: Duration = Duration::from_secs(4);

/// Options of `node`.
#[derive(Debug, Args)]
pub struct NodeArgs {
    /// The control plane to join; its current context
    #[arg(long, env = "KUBECONFIG")]
    pub kubeconfig: PathBuf,
    /// Name of the Node object
    #[arg(long, env = "VIPERSCALE_NODE_NAME", default_value = crate::local::NODE_NAME)]
    pub name: String,
    /// Where the pods' logs and state go
    #[arg(long, env = "VIPERSCALE_DIR", default_value_os_t = PathBuf::from(DEFAULT_PARENT).join("node"))]
    pub dir: PathBuf,
    /// The node's own address, at which the API server reaches its metrics
    #[arg(long, env = "VIPERSCALE_NODE_ADDRESS", default_value_t = Ipv4Addr::LOCALHOST)]
    pub address: Ipv4Addr,
    /// Addresses of the pods, reachable on this machine only. For those outside 127.0.0.0/8, which
    /// is all that real control planes take, a route to the loopback device is added with iproute2
    #[arg(long, env = "VIPERSCALE_POD_CIDR", default_value = "10.127.10.0/24")]
    pub pod_cidr: Cidr,
    /// Addresses that the control plane gives to Services, to serve them here; not needed inside
    /// 127.0.0.0/8, nor on a machine that already has a service proxy
    #[arg(long, env = "VIPERSCALE_SERVICE_CIDR")]
    pub service_cidr: Option<Cidr>,
    /// Labels of the Node, KEY=VALUE, separated by commas
    #[arg(long, env = "VIPERSCALE_NODE_LABELS", value_delimiter = ',', value_parser = label)]
    pub labels: Vec<(String, String)>,
    /// A further taint of the Node, KEY[=VALUE]:EFFECT; can be repeated
    #[arg(long, env = "VIPERSCALE_NODE_TAINTS", value_delimiter = ',', value_parser = taint)]
    pub taint: Vec<Taint>,
    /// Run any pod. Otherwise the Node has the taint viperscale.dev/host-processes=true:NoSchedule,
    /// and only pods that tolerate it by name run: they are host programs, run as root
    #[arg(long, env = "VIPERSCALE_NODE_UNTAINTED")]
    pub untainted: bool,
    /// Pods at a time
    #[arg(long, env = "VIPERSCALE_MAX_PODS", default_value_t = 110)]
    pub max_pods: u32,
    /// Whether the cluster's metrics.k8s.io is served from here, for this node's pods
    #[arg(long, env = "VIPERSCALE_METRICS_API", value_enum, default_value_t)]
    pub metrics_api: MetricsApi,
    /// Seconds that a control plane which does not answer is waited for at the start
    #[arg(long, env = "VIPERSCALE_WAIT", default_value_t = 60)]
    pub wait: u64,
}

/// What is done about `metrics.k8s.io`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum MetricsApi {
    /// Serve it, unless something else in the cluster does already
    #[default]
    Register,
    /// Leave it alone
    Off,
}

/// Runs a node until `stop`.
///
/// # Errors
/// When it cannot start: see [`local_node::NodeError`].
pub async fn run(args: NodeArgs, stop: CancellationToken) -> Result<ExitCode> {
    let config = config(args).await?;
    local_node::run(config, stop).await?;
    Ok(ExitCode::SUCCESS)
}

async fn config(args: NodeArgs) -> Result<NodeConfig> {
    let mut config = NodeConfig::from_kubeconfig(args.name, &args.kubeconfig, args.dir).await?;
    config.address = IpAddr::V4(args.address);
    config.pod_cidr = args.pod_cidr;
    config.service_cidr = args.service_cidr;
    config.labels = BTreeMap::from_iter(args.labels);
    config.taints = args.taint;
    config.tainted = !args.untainted;
    config.max_pods = args.max_pods;
    config.metrics_api = match args.metrics_api {
        MetricsApi::Register => local_node::MetricsApi::Register,
        MetricsApi::Off => local_node::MetricsApi::Off,
    };
    config.wait = Some(Duration::from_secs(args.wait));
    config.deregister_time = DEREGISTER_TIME;
    Ok(config)
}

fn label(text: &str) -> Result<(String, String)> {
    let (key, value) = text.split_once('=').context("expected KEY=VALUE")?;
    if key.is_empty() {
        bail!("the key is missing; expected KEY=VALUE");
    }
    Ok((key.to_owned(), value.to_owned()))
}

fn taint(text: &str) -> Result<Taint> {
    let (key, effect) = text
        .rsplit_once(':')
        .context("expected KEY[=VALUE]:EFFECT")?;
    if !["NoSchedule", "PreferNoSchedule", "NoExecute"].contains(&effect) {
        bail!("unknown effect {effect:?}; expected NoSchedule, PreferNoSchedule or NoExecute");
    }
    let (key, value) = match key.split_once('=') {
        Some((key, value)) => (key, Some(value.to_owned())),
        None => (key, None),
    };
    if key.is_empty() {
        bail!("the key is missing; expected KEY[=VALUE]:EFFECT");
    }
    Ok(Taint {
        key: key.to_owned(),
        value,
        effect: effect.to_owned(),
        time_added: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_labels_and_taints() {
        assert_eq!(
            label("zone=a").unwrap(),
            ("zone".to_owned(), "a".to_owned())
        );
        assert!(label("zone").is_err() && label("=a").is_err());
        let full = taint("example.com/gpu=yes:NoExecute").unwrap();
        assert_eq!(
            (full.key.as_str(), full.value.as_deref()),
            ("example.com/gpu", Some("yes"))
        );
        assert_eq!(taint("gpu:NoSchedule").unwrap().value, None);
        for bad in ["gpu", "gpu:Never", ":NoSchedule"] {
            assert!(taint(bad).is_err(), "{bad}");
        }
    }
}
