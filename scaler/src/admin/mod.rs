//! The endpoints for operators, over HTTP.
//!
//! | path | answer |
//! |---|---|
//! | `/live` | 200 while the process serves |
//! | `/ready` | 200 once everything is known for the first time, else 503 and what is missing |
//! | `/metrics` | Prometheus text; see `METRICS.md` |
//! | `/decisions` | the newest decision of each policy, as JSON |
//! | `/decisions/history` | the newest changes of each policy, as JSON |

mod ready;

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use ready::{Readiness, Report as ReadinessReport};

use crate::clock::Clock;
use crate::controller::Journal;

/// What the endpoints show.
#[derive(Clone)]
pub struct Admin {
    /// The clock of the journal.
    pub clock: Clock,
    /// What must have happened once.
    pub readiness: Readiness,
    /// The decisions.
    pub journal: Arc<Journal>,
    /// Renders the metrics.
    pub metrics: PrometheusHandle,
    /// Once cancelled, `/ready` says no, so that nobody new is sent here.
    pub stop: CancellationToken,
}

/// Serves on `listener` until [`Admin::stop`].
///
/// # Errors
/// When the listener fails.
pub async fn serve(admin: Admin, listener: TcpListener) -> std::io::Result<()> {
    let stop = admin.stop.clone();
    let routes = Router::new()
        .route("/live", get(|| async { "live\n" }))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .route("/decisions", get(decisions))
        .route("/decisions/history", get(history))
        .with_state(admin);
    axum::serve(listener, routes)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
}

async fn ready(State(admin): State<Admin>) -> Response {
    let mut report = admin.readiness.report();
    if admin.stop.is_cancelled() {
        report = ReadinessReport {
            ready: false,
            waiting_for: vec!["stopping"],
        };
    }
    let status = if report.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(report)).into_response()
}

async fn metrics(State(admin): State<Admin>) -> Response {
    admin.metrics.run_upkeep();
    (
        [(CONTENT_TYPE, "text/plain; version=0.0.4")],
        admin.metrics.render(),
    )
        .into_response()
}

async fn decisions(State(admin): State<Admin>) -> Response {
    Json(admin.journal.decisions(admin.clock.now())).into_response()
}

async fn history(State(admin): State<Admin>) -> Response {
    Json(admin.journal.history(admin.clock.now())).into_response()
}
