//! Serves the API from a directory until Ctrl-C: `cargo run -p local-apiserver --example serve -- DIR`.

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .init();
    let directory = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    let running = local_apiserver::serve(local_apiserver::Config::new(directory)).await?;
    println!("export KUBECONFIG={}", running.kubeconfig().display());
    tokio::signal::ctrl_c().await?;
    running.stop().await;
    Ok(())
}
