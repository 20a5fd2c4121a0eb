//! The API server of the simulated cluster, as a process of its own: without controllers, which
//! would make sense of 150,000 pods that nobody runs.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use local_apiserver::{Config, StoreLimits};
use tokio_util::sync::CancellationToken;

use super::objects;
use super::plan::Plan;
use crate::local::{ProcessSpec, Programs};

/// Written once every object is there; the kubeconfig is there before.
const LOADED: &str = "loaded";
/// Replicas are written a few times a second, and each write is one change: far more than a minute.
const HISTORY: usize = 16_384;

/// Options of the hidden command that [`process`] starts.
#[derive(Debug, Args)]
pub struct ApiserverArgs {
    /// Where the kubeconfig is written
    #[arg(long)]
    pub dir: PathBuf,
    /// Nodes
    #[arg(long)]
    pub nodes: u32,
    /// Pods on each
    #[arg(long)]
    pub pods_per_node: u32,
    /// Deployments, each with a policy
    #[arg(long)]
    pub deployments: u32,
}

/// Serves the cluster until `stop`.
///
/// # Errors
/// When it cannot be served or loaded.
pub async fn serve(args: ApiserverArgs, stop: CancellationToken) -> Result<()> {
    let plan = Plan::new(args.nodes, args.pods_per_node, Some(args.deployments));
    fs::create_dir_all(&args.dir)
        .with_context(|| format!("cannot create {}", args.dir.display()))?;
    let mut config = Config::new(&args.dir);
    config.limits = StoreLimits {
        history: HISTORY,
        // Room for what a scaler or a human adds.
        objects: objects::most_of_a_kind(plan) + 1_000,
        ..StoreLimits::default()
    };
    let server = local_apiserver::serve(config).await?;
    let began = std::time::Instant::now();
    let count = server.load(objects::all(plan))?;
    tracing::info!(objects = count, took = ?began.elapsed(), "cluster loaded");
    fs::write(loaded(&args.dir), "").context("cannot tell that the cluster is loaded")?;
    stop.cancelled().await;
    server.stop().await;
    Ok(())
}

/// The command line of [`serve`] for `plan`.
pub(super) fn process(programs: &Programs, plan: Plan, dir: &Path) -> ProcessSpec {
    ProcessSpec {
        name: "apiserver",
        program: programs.loadtest.clone(),
        args: vec![
            "fleet-apiserver".into(),
            "--dir".into(),
            dir.into(),
            "--nodes".into(),
            plan.nodes.to_string().into(),
            "--pods-per-node".into(),
            plan.pods_per_node.to_string().into(),
            "--deployments".into(),
            plan.deployments.to_string().into(),
        ],
        env: Vec::new(),
    }
}

/// The file that says that everything is there.
pub(super) fn loaded(dir: &Path) -> PathBuf {
    dir.join(LOADED)
}
