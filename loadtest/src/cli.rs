//! The command line, and which part serves each command.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::local::DEFAULT_PARENT;
use crate::{bench, compare, demo, fleet, node};

/// Drives real load through a system that an autoscaler controls, on a local cluster of its own.
#[derive(Debug, Parser)]
#[command(name = "loadtest", version, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start everything on this machine, drive a load step, show what the scaler does, clean up
    Demo(demo::DemoArgs),
    /// Compare Viperscale with the stock HPA on the same load, and write a report
    Compare(compare::CompareArgs),
    /// The local cluster by itself
    #[command(subcommand)]
    Cluster(ClusterCommand),
    /// Benchmarks
    #[command(subcommand)]
    Bench(BenchCommand),
    /// Simulate the agents of a whole cluster against the real scaler, and measure what it takes
    Fleet(fleet::FleetArgs),
    /// The API server that `fleet` fills with its cluster
    #[command(hide = true)]
    FleetApiserver(fleet::ApiserverArgs),
    /// The control plane of the local cluster: API server and controllers
    Apiserver(ApiserverArgs),
    /// A node that runs pods as processes, for the local cluster or any other control plane
    Node(node::NodeArgs),
}

/// What can be done with the local cluster.
#[derive(Debug, Subcommand)]
pub enum ClusterCommand {
    /// Start it and keep it running until Ctrl-C
    Up(ClusterUpArgs),
}

/// What can be measured.
#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// What the probes cost: per event beside other tools, for the shop under load, and the agent
    Probes(bench::probes::ProbesArgs),
    /// What the node agent takes of this machine while it measures containers under load
    Agent(bench::agent::AgentArgs),
    /// The stock HPA with its metrics chain, on the case measured on a real one
    Hpa(bench::hpa::HpaArgs),
    /// What the pods of `bench hpa` run
    #[command(hide = true)]
    Spin(bench::hpa::SpinArgs),
}

/// Options of `cluster up`.
#[derive(Debug, Args)]
pub struct ClusterUpArgs {
    /// Where the kubeconfig, logs and state go
    #[arg(long, env = "VIPERSCALE_DIR", default_value_os_t = PathBuf::from(DEFAULT_PARENT).join("cluster"))]
    pub dir: PathBuf,
    /// Also deploy the demo shop
    #[arg(long, env = "VIPERSCALE_SHOP")]
    pub shop: bool,
}

/// Options of `apiserver`.
#[derive(Debug, Args)]
pub struct ApiserverArgs {
    /// Where the kubeconfig is written
    #[arg(long, env = "VIPERSCALE_DIR")]
    pub dir: PathBuf,
    /// Loopback address to serve on; port 0 takes a free one
    #[arg(
        long,
        env = "VIPERSCALE_APISERVER_ADDRESS",
        default_value = "127.0.0.1:0"
    )]
    pub address: std::net::SocketAddr,
}
