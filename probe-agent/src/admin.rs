//! `/live`, `/ready` and `/metrics` for Kubernetes and Prometheus.

use std::io;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::stream::Link;

/// The admin port cannot be had.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot listen on the admin address {address}: {source}; stop what uses it, or choose another \
     with --admin-address"
)]
pub struct BindError {
    address: SocketAddr,
    source: io::Error,
}

/// What the endpoints tell.
#[derive(Clone)]
pub struct Admin {
    /// Renders the metrics.
    pub metrics: PrometheusHandle,
    /// Whether a scaler is followed. Once configured the agent stays ready through the scaler's
    /// outages, which restarting agents would not cure.
    pub link: watch::Receiver<Link>,
}

/// Takes the port, before anything else is started.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| BindError { address, source })
}

/// Serves for ever.
pub async fn serve(listener: TcpListener, admin: Admin) -> io::Result<()> {
    axum::serve(listener, router(admin)).await
}

fn router(admin: Admin) -> Router {
    Router::new()
        // The process ends when its measuring thread does, so answering at all is being alive.
        .route("/live", get(|| async { "live\n" }))
        .route("/ready", get(ready))
        .route(
            "/metrics",
            get(|State(admin): State<Admin>| async move { admin.metrics.render() }),
        )
        .with_state(admin)
}

async fn ready(State(admin): State<Admin>) -> (StatusCode, &'static str) {
    if *admin.link.borrow() != Link::NeverUp {
        (StatusCode::OK, "ready\n")
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "no scaler has sent a configuration yet\n",
        )
    }
}
