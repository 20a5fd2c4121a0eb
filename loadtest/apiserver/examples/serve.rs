//! A control plane without nodes, until Ctrl-C:
//! `cargo run -p local-apiserver --example serve -- DIRECTORY`.

use local_apiserver::{Config, run_control_plane};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::from_default_env())
        .init();
    let directory = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    let stop = CancellationToken::new();
    let interrupted = stop.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            interrupted.cancel();
        }
    });
    run_control_plane(Config::new(directory), stop, |running| {
        println!("export KUBECONFIG={}", running.kubeconfig().display());
    })
    .await?;
    Ok(())
}
