//! The raw command line, as typed. [`crate::config`] turns it into a checked configuration.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Scales Deployments on what their pods go through in the kernel.
#[derive(Debug, Parser)]
#[command(name = "scaler", version, about)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Receives samples from the node agents, decides, and patches replica counts.
    Run(Box<RunArgs>),
    /// Validates policy files without touching any cluster.
    Check(CheckArgs),
    /// Tells why a deployment has the replicas it has, and what would have to change.
    Explain(ExplainArgs),
    /// Decides again on a recording, with the recorded policies or another one.
    Replay(ReplayArgs),
    /// Prints the CustomResourceDefinition of ScalingPolicy, for `kubectl apply -f -`.
    Crd,
    /// Turns HorizontalPodAutoscalers into policies that start in DryRun.
    Convert(ConvertArgs),
}

/// Options of `scaler run`. Each can also be given as an environment variable.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Directory of ScalingPolicy files (*.yaml, *.yml); reloaded when they change.
    ///
    /// ScalingPolicy objects of the cluster are in force beside them; without this option, alone.
    #[arg(long, env = "VIPERSCALE_POLICIES", value_name = "DIR")]
    pub policies: Option<PathBuf>,

    /// Kubeconfig of the cluster to scale [default: $KUBECONFIG, ~/.kube/config, then in-cluster].
    #[arg(long, env = "VIPERSCALE_KUBECONFIG", value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,

    /// Where node agents connect.
    #[arg(long, env = "VIPERSCALE_GRPC_ADDRESS", value_name = "HOST:PORT")]
    #[arg(default_value = "127.0.0.1:9100")]
    pub grpc_address: SocketAddr,

    /// Where /live, /ready, /metrics and /decisions are served.
    #[arg(long, env = "VIPERSCALE_ADMIN_ADDRESS", value_name = "HOST:PORT")]
    #[arg(default_value = "127.0.0.1:9102")]
    pub admin_address: SocketAddr,

    /// Seconds between reports that agents are asked for, and the longest time between decisions.
    #[arg(
        long,
        env = "VIPERSCALE_INTERVAL_SECONDS",
        value_name = "SECONDS",
        default_value = "1"
    )]
    pub interval_seconds: f64,

    /// Server certificate (PEM) for agents; without it the stream is not encrypted.
    #[arg(long, env = "VIPERSCALE_TLS_CERT", value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,

    /// Private key (PEM) of --tls-cert.
    #[arg(long, env = "VIPERSCALE_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,

    /// CA (PEM) that agents' client certificates must be signed by; without it any client may report.
    ///
    /// With it, an agent is only believed to be the node that its certificate names: the common
    /// name or one of the DNS names must equal its --node-name. Another node's certificate is
    /// refused with PERMISSION_DENIED and counted in
    /// viperscale_streams_total{result="forbidden"}. Handshakes that fail are logged with
    /// RUST_LOG=info,tonic=debug.
    #[arg(long, env = "VIPERSCALE_TLS_CLIENT_CA", value_name = "FILE")]
    pub tls_client_ca: Option<PathBuf>,

    /// Whether one of several scalers is elected to decide; without it this one always decides.
    ///
    /// The elected one renews a Lease; the others are in sync and ready to take over within five
    /// seconds. Turn it off for a single scaler that may not write Leases.
    #[arg(long, env = "VIPERSCALE_LEADER_ELECTION", value_name = "BOOL")]
    #[arg(default_value_t = true, action = clap::ArgAction::Set)]
    pub leader_election: bool,

    /// Name of the Lease.
    #[arg(long, env = "VIPERSCALE_LEASE", value_name = "NAME")]
    #[arg(default_value = crate::election::DEFAULT_LEASE)]
    pub lease: String,

    /// Namespace of the Lease [default: the pod's, or the kubeconfig's].
    #[arg(long, env = "VIPERSCALE_LEASE_NAMESPACE", value_name = "NAMESPACE")]
    pub lease_namespace: Option<String>,

    /// Seconds without renewal after which another scaler takes over.
    #[arg(long, env = "VIPERSCALE_LEASE_SECONDS", value_name = "SECONDS")]
    #[arg(default_value = "3")]
    pub lease_seconds: u64,

    /// Where agents reach this very scaler, for standbys to tell them [default: --grpc-address, if
    /// that is one address].
    #[arg(long, env = "VIPERSCALE_ADVERTISE", value_name = "HOST:PORT")]
    pub advertise: Option<String>,

    /// Most replica changes of one deployment per minute.
    #[arg(
        long,
        env = "VIPERSCALE_DEPLOYMENT_CHANGES_PER_MINUTE",
        value_name = "N"
    )]
    #[arg(default_value = "60")]
    pub deployment_changes_per_minute: NonZeroU32,

    /// Changes of one deployment that may follow each other at once before that limit bites.
    #[arg(
        long,
        env = "VIPERSCALE_DEPLOYMENT_CHANGE_BURST",
        value_name = "N",
        default_value = "10"
    )]
    pub deployment_change_burst: NonZeroU32,

    /// Most replica changes per second in the whole cluster.
    #[arg(long, env = "VIPERSCALE_CLUSTER_CHANGES_PER_SECOND", value_name = "N")]
    #[arg(default_value = "20")]
    pub cluster_changes_per_second: NonZeroU32,

    /// Whether a scale-down first marks idle pods for deletion, so that busy ones are spared.
    ///
    /// It sets controller.kubernetes.io/pod-deletion-cost on at most 16 pods right before a
    /// scale-down and takes it away from those that stay. Needs the permission to patch pods;
    /// without it, scale-downs go ahead and Kubernetes chooses. Deployments whose pods carry costs
    /// of somebody else are left alone.
    #[arg(long, env = "VIPERSCALE_POD_DELETION_COSTS", value_name = "BOOL")]
    #[arg(default_value_t = true, action = clap::ArgAction::Set)]
    pub pod_deletion_costs: bool,

    /// Directory to record every sample and decision into, for `scaler replay` and `scaler explain`;
    /// made if it is not there. One scaler at a time.
    #[arg(long, env = "VIPERSCALE_RECORD", value_name = "DIR")]
    pub record: Option<PathBuf>,

    /// Most MiB that recordings may take; the oldest are deleted.
    #[arg(
        long,
        env = "VIPERSCALE_RECORD_MAX_MIB",
        value_name = "MIB",
        default_value = "1024"
    )]
    pub record_max_mib: NonZeroU32,

    /// How log lines are written; which ones is RUST_LOG's business (default: info).
    #[arg(long, env = "VIPERSCALE_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

/// Options of `scaler check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Policy files, or directories of them.
    #[arg(required = true, value_name = "FILE|DIR")]
    pub paths: Vec<PathBuf>,

    /// Prints one JSON document instead of lines.
    #[arg(long, env = "VIPERSCALE_JSON")]
    pub json: bool,
}

/// Options of `scaler convert`.
#[derive(Debug, Args)]
pub struct ConvertArgs {
    /// Manifests of HorizontalPodAutoscalers (autoscaling/v2 or v1); `-` reads standard input.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// The namespace of manifests that name none.
    #[arg(
        long,
        env = "VIPERSCALE_NAMESPACE",
        value_name = "NAME",
        default_value = "default"
    )]
    pub namespace: String,

    /// CPU request of one pod, such as 200m: turns a utilisation into CPU time.
    ///
    /// The HPA relates CPU to the request, which its manifest does not tell. Without this option,
    /// such a metric becomes a run-queue latency to start from.
    #[arg(long, env = "VIPERSCALE_CPU_REQUEST", value_name = "QUANTITY")]
    pub cpu_request: Option<String>,
}

/// Options of `scaler explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The policy, or the deployment it is for.
    #[arg(value_name = "NAMESPACE/NAME")]
    pub name: String,

    /// The admin endpoints of the running scaler.
    #[arg(long, env = "VIPERSCALE_ADDRESS", value_name = "HOST:PORT|URL")]
    #[arg(default_value = "127.0.0.1:9102")]
    pub address: String,

    /// A recording to read instead: a directory of segments, or one of them; its end is explained.
    #[arg(long, env = "VIPERSCALE_RECORDING", value_name = "DIR|FILE")]
    pub recording: Option<PathBuf>,

    /// Prints one JSON document instead of text.
    #[arg(long, env = "VIPERSCALE_JSON")]
    pub json: bool,
}

/// Options of `scaler replay`.
///
/// Exit code 3 means that the recorded policies did not give the recorded decisions again.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// The recording: a directory of segments, or one of them.
    #[arg(value_name = "DIR|FILE")]
    pub recording: PathBuf,

    /// Policies to ask what they would have done; without them, only whether the recorded decisions
    /// come out again.
    #[arg(long, env = "VIPERSCALE_POLICY", value_name = "FILE")]
    pub policy: Option<PathBuf>,

    /// Only this deployment.
    #[arg(long, env = "VIPERSCALE_ONLY", value_name = "NAMESPACE/NAME")]
    pub only: Option<String>,

    /// Draws replicas and metric over time into this file (.svg or .html).
    #[arg(long, env = "VIPERSCALE_PLOT", value_name = "FILE")]
    pub plot: Option<PathBuf>,

    /// Lists every change, not only the first ones.
    #[arg(long, env = "VIPERSCALE_ALL")]
    pub all: bool,

    /// Prints one JSON document instead of text.
    #[arg(long, env = "VIPERSCALE_JSON")]
    pub json: bool,
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for log collectors.
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_option_is_also_an_environment_variable() {
        for subcommand in Cli::command().get_subcommands() {
            for argument in subcommand
                .get_arguments()
                .filter(|a| a.get_long().is_some())
            {
                let variable = argument
                    .get_env()
                    .map(|name| name.to_string_lossy().into_owned());
                let option = argument.get_long().unwrap_or_default();
                if option != "help" && option != "version" {
                    let expected =
                        format!("VIPERSCALE_{}", option.replace('-', "_").to_uppercase());
                    assert_eq!(variable, Some(expected), "--{option}");
                }
            }
        }
    }
}
