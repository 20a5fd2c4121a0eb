//! A node by itself, for tests that kill one: `local-node KUBECONFIG NAME RUN_DIR`.
//! Ends on SIGTERM and SIGINT. Users start nodes with `loadtest node`.

use std::path::Path;

use local_node::NodeConfig;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [kubeconfig, name, run_dir] = arguments.as_slice() else {
        return Err("usage: local-node KUBECONFIG NAME RUN_DIR".into());
    };
    let config = NodeConfig::from_kubeconfig(name, Path::new(kubeconfig), run_dir).await?;
    let stop = CancellationToken::new();
    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    let asked = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        asked.cancel();
    });
    local_node::run(config, stop).await?;
    Ok(())
}
