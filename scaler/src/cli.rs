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
}

/// Options of `scaler run`. Each can also be given as an environment variable.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Directory of ScalingPolicy files (*.yaml, *.yml); reloaded when they change.
    #[arg(long, env = "VIPERSCALE_POLICIES", value_name = "DIR")]
    pub policies: PathBuf,

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
