//! Server and controllers together.

use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config as ClientConfig};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::controllers;
use crate::server::{Running, ServeError, serve};

/// Why the control plane did not start.
#[derive(Debug, thiserror::Error)]
pub enum ControlPlaneError {
    /// The API server.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The kubeconfig that the server has just written cannot be read back.
    #[error("cannot use the server's own kubeconfig: {0}")]
    Kubeconfig(#[from] KubeconfigError),
    /// No client for the controllers.
    #[error("cannot make a client for the controllers: {0}")]
    Client(#[source] kube::Error),
}

/// Serves the API and runs the controllers until `stop` fires; `started` is called once requests
/// are answered and the kubeconfig is there.
///
/// The controllers stop first, then the server drains (3 s at most).
///
/// # Errors
/// See [`ControlPlaneError`]; nothing is left running.
pub async fn run_control_plane(
    config: Config,
    stop: CancellationToken,
    started: impl FnOnce(&Running),
) -> Result<(), ControlPlaneError> {
    let running = serve(config).await?;
    let kubeconfig = Kubeconfig::read_from(running.kubeconfig())?;
    run_with(running, kubeconfig, stop, started).await
}

async fn run_with(
    running: Running,
    kubeconfig: Kubeconfig,
    stop: CancellationToken,
    started: impl FnOnce(&Running),
) -> Result<(), ControlPlaneError> {
    let options = KubeConfigOptions::default();
    let mut config = ClientConfig::from_custom_kubeconfig(kubeconfig, &options).await?;
    // Controllers have their own ways to retry, and must see at once that an extension server is
    // away: the client's retries would take minutes.
    config.default_retry = false;
    let client = Client::try_from(config).map_err(ControlPlaneError::Client)?;
    started(&running);
    controllers::run(client, stop).await;
    running.stop().await;
    Ok(())
}
