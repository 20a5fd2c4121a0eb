//! `loadtest cluster up`: the local cluster by itself, for `kubectl` and one's own experiments.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;

use crate::cli::ClusterUpArgs;
use crate::local::{LocalCluster, Machine, Programs, RunDir, interrupted};
use crate::shop;

/// How often the processes of the cluster are looked at.
const WATCH: Duration = Duration::from_millis(500);

/// Starts the cluster and keeps it running until a signal.
///
/// # Errors
/// When it does not come up, or a process of it ends early. Nothing that was started stays.
pub(crate) async fn up(args: ClusterUpArgs) -> Result<ExitCode> {
    let programs = Programs::beside_this_one()?;
    Machine::inspect(&[&programs.demo_shop]).check()?;
    let run_dir = RunDir::claim(&args.dir)?;
    let logs = run_dir.logs();
    let mut cluster = LocalCluster::default();
    let outcome = tokio::select! {
        outcome = keep(&args, &programs, &run_dir, &mut cluster) => outcome,
        _ = interrupted() => Ok(()),
    };
    cluster.stop().await;
    match &outcome {
        Ok(()) => run_dir.clear()?,
        Err(_) => eprintln!("logs of this run: {}", logs.display()),
    }
    outcome.map(|()| ExitCode::SUCCESS)
}

async fn keep(
    args: &ClusterUpArgs,
    programs: &Programs,
    run_dir: &RunDir,
    cluster: &mut LocalCluster,
) -> Result<()> {
    cluster
        .start(programs, run_dir.path(), &run_dir.logs())
        .await?;
    println!("export KUBECONFIG={}", cluster.kubeconfig().display());
    if args.shop {
        let client = cluster.client().await?;
        let frontend = shop::deploy(&client, &programs.demo_shop).await?;
        shop::wait_until_ready(&client, || cluster.check()).await?;
        println!("# the demo shop: {frontend}");
    }
    println!("# kubectl get deploy,pods -A works now; Ctrl-C ends the cluster");
    loop {
        cluster.check()?;
        tokio::time::sleep(WATCH).await;
    }
}
