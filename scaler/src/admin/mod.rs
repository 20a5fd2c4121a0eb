//! The endpoints for operators, over HTTP.
//!
//! | path | answer |
//! |---|---|
//! | `/live` | 200 while the process serves |
//! | `/ready` | 200 once everything is known for the first time, else 503 and what is missing; a standby is ready too. Says besides who leads, and which part of the API server fails, which makes nobody unready: a restart would not cure it |
//! | `/metrics` | Prometheus text; see `METRICS.md` |
//! | `/decisions` | the newest decision of each policy, as JSON; `leads` says whether more will come |
//! | `/decisions/NAMESPACE/NAME` | everything about one policy, by its name or its deployment's; what `scaler explain` prints |
//! | `/decisions/history` | the newest changes of each policy, as JSON |

mod ready;

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use ready::{Readiness, Report as ReadinessReport};

use crate::api_health::{ApiHealth, Failing};
use crate::clock::Clock;
use crate::controller::Journal;
use crate::ingest::Role;

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
    /// Whether the API server can be used.
    pub health: ApiHealth,
    /// Whether this scaler leads.
    pub role: watch::Receiver<Role>,
    /// Once cancelled, `/ready` says no, so that nobody new is sent here.
    pub stop: CancellationToken,
}

/// The answer of `/ready`.
#[derive(Serialize)]
struct Standing {
    #[serde(flatten)]
    report: ReadinessReport,
    leads: bool,
    api_failing: Vec<Failing>,
}

/// An answer about decisions. Those of a scaler that does not lead are old, if there are any.
#[derive(Serialize)]
struct Told<T> {
    leads: bool,
    #[serde(flatten)]
    answer: T,
}

impl Admin {
    fn leads(&self) -> bool {
        matches!(*self.role.borrow(), Role::Leader { .. })
    }

    fn tell(&self, answer: impl Serialize) -> Response {
        let leads = self.leads();
        Json(Told { leads, answer }).into_response()
    }
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
        .route("/decisions/{namespace}/{name}", get(explain))
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
    let answer = Standing {
        report,
        leads: admin.leads(),
        api_failing: admin.health.failing(),
    };
    (status, Json(answer)).into_response()
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
    admin.tell(admin.journal.decisions(admin.clock.now()))
}

async fn explain(
    State(admin): State<Admin>,
    Path((namespace, name)): Path<(String, String)>,
) -> Response {
    match admin.journal.explain(&namespace, &name, admin.clock.now()) {
        Ok(explanation) => admin.tell(explanation),
        Err(known) => {
            let known = match known.as_slice() {
                [] => "there are none".to_owned(),
                known => format!("there are {}", known.join(", ")),
            };
            let problem = format!(
                "no policy {namespace}/{name}, nor one for a deployment of that name; {known}\n"
            );
            (StatusCode::NOT_FOUND, problem).into_response()
        }
    }
}

async fn history(State(admin): State<Admin>) -> Response {
    admin.tell(admin.journal.history(admin.clock.now()))
}
