//! Each command, run by the kind of runtime that fits it.

use std::process::ExitCode;

use anyhow::{Context, Result};
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::cli::{ApiserverArgs, BenchCommand, Cli, ClusterCommand, Command};
use crate::local::interrupted;
use crate::{bench, cluster, compare, demo, fleet, node};

/// Runs `cli` to its end.
///
/// # Errors
/// What the command says.
pub fn run(cli: Cli) -> Result<ExitCode> {
    match cli.command {
        Command::Demo(args) => {
            // The watch of replicas outlives the API server by a moment, which is no news.
            log_by_default("warn,kube_client=off");
            parent_runtime()?.block_on(demo::run(args))
        }
        Command::Compare(args) => {
            // The watches outlive the API server of each trial by a moment, which is no news.
            log_by_default("warn,kube_client=off,kube_runtime=off,tiny_skia=off");
            parent_runtime()?.block_on(compare::run(args))
        }
        Command::Cluster(ClusterCommand::Up(args)) => {
            log_by_default("warn");
            parent_runtime()?.block_on(cluster::up(args))
        }
        Command::Bench(BenchCommand::Probes(args)) => {
            // Its cluster's watches outlive the API server by a moment, which is no news.
            log_by_default("warn,kube_client=off,tiny_skia=off");
            parent_runtime()?.block_on(bench::probes::run(args))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Bench(BenchCommand::Agent(args)) => {
            log_by_default("warn");
            parent_runtime()?.block_on(bench::agent::run(args))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Bench(BenchCommand::Hpa(args)) => {
            // Its watches outlive the API server by a moment, which is no news.
            log_by_default("warn,kube_client=off");
            parent_runtime()?.block_on(bench::hpa::run(args))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Bench(BenchCommand::Spin(args)) => bench::hpa::spin(&args),
        Command::Fleet(args) => {
            // The watch of replicas outlives the API server by a moment, which is no news.
            log_by_default("warn,kube_client=off,kube_runtime=off");
            parent_runtime()?.block_on(fleet::run(args))
        }
        Command::FleetApiserver(args) => {
            log_by_default("info");
            server_runtime()?
                .block_on(async { fleet::serve(args, cancelled_by_signal()).await })?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Apiserver(args) => {
            log_by_default("info");
            server_runtime()?.block_on(apiserver(args))
        }
        Command::Node(args) => {
            log_by_default("info");
            server_runtime()?.block_on(async { node::run(args, cancelled_by_signal()).await })
        }
    }
}

/// The error and its causes in one line. Some errors quote their cause, for readers who see nothing
/// else of it; it is not said twice.
pub fn sentence(error: &anyhow::Error) -> String {
    error
        .chain()
        .map(ToString::to_string)
        .fold(String::new(), |said, cause| match said.contains(&cause) {
            _ if said.is_empty() => cause,
            true => said,
            false => format!("{said}: {cause}"),
        })
}

/// A runtime on the main thread alone: the kernel ties a child's life to the thread that started
/// it, and this one lives as long as the program.
fn parent_runtime() -> Result<Runtime> {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")
}

fn server_runtime() -> Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the async runtime")
}

/// Logs to standard error at `level` unless RUST_LOG says otherwise.
fn log_by_default(level: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}

async fn apiserver(args: ApiserverArgs) -> Result<ExitCode> {
    std::fs::create_dir_all(&args.dir)
        .with_context(|| format!("cannot create {}", args.dir.display()))?;
    let mut config = local_apiserver::Config::new(args.dir);
    config.address = args.address;
    let started = |server: &local_apiserver::Running| {
        tracing::info!(address = %server.address(), "the API server answers");
    };
    local_apiserver::run_control_plane(config, cancelled_by_signal(), started).await?;
    Ok(ExitCode::SUCCESS)
}

/// A token that the first SIGINT or SIGTERM cancels.
fn cancelled_by_signal() -> CancellationToken {
    let token = CancellationToken::new();
    let cancelled = token.clone();
    tokio::spawn(async move {
        let signal = interrupted().await;
        tracing::info!(signal, "stopping");
        cancelled.cancel();
    });
    token
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_cause_is_not_said_twice() {
        let error = anyhow::anyhow!("no such file")
            .context("cannot read /x: no such file; name another")
            .context("the node cannot start");
        let said = "the node cannot start: cannot read /x: no such file; name another";
        assert_eq!(sentence(&error), said);
    }
}
