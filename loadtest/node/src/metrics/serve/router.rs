//! Paths of the server, and who gets an answer.

use std::sync::Arc;

use axum::extract::{Path, Query, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use http::StatusCode;
use rustls::pki_types::{CertificateDer, UnixTime};
use serde::Deserialize;
use serde_json::{Value, json};
use stock_hpa::selector::Selector;

use super::trust::{Refusal, TrustNow};
use crate::metrics::answers::{self, GROUP, VERSION};
use crate::metrics::meter::Meter;

/// The certificates that the client of a connection has shown, its own first.
#[derive(Debug, Clone)]
pub(super) struct Peer(pub(super) Arc<[CertificateDer<'static>]>);

/// An answer other than the one asked for, as Kubernetes words it.
#[derive(Debug, PartialEq, Eq)]
struct Failure(StatusCode, &'static str, String);

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListParams {
    label_selector: Option<String>,
    field_selector: Option<String>,
    #[serde(default)]
    watch: Option<String>,
}

type Answer = Result<Json<Value>, Failure>;
type Params = Result<Query<ListParams>, axum::extract::rejection::QueryRejection>;

/// Everything the server answers. Health for all, the API for the front proxy alone.
pub(super) fn router(meter: Arc<Meter>, trust: TrustNow) -> Router {
    let version = Router::new()
        .route("/", get(|| async { Json(answers::resources()) }))
        .route("/nodes", get(nodes))
        .route("/nodes/{name}", get(node))
        .route("/pods", get(all_pods))
        .route("/namespaces/{namespace}/pods", get(pods))
        .route("/namespaces/{namespace}/pods/{name}", get(pod))
        .route("/schedule", get(schedule))
        .with_state(meter);
    let ready = trust.clone();
    let api = Router::new()
        .route("/apis", get(|| async { Json(answers::group_list()) }))
        .route(
            &format!("/apis/{GROUP}"),
            get(|| async { Json(answers::group()) }),
        )
        .nest(&format!("/apis/{GROUP}/{VERSION}"), version)
        .fallback(|| async { Failure::not_found("the server has no such path".to_owned()) })
        .method_not_allowed_fallback(|| async {
            let message = "metrics can only be read".to_owned();
            Failure(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message)
        })
        .layer(from_fn_with_state(trust, front_proxy_only));
    Router::new()
        .route("/livez", get(|| async { "ok" }))
        .route(
            "/readyz",
            get(move || std::future::ready(readiness(&ready))),
        )
        .merge(api)
}

fn readiness(trust: &TrustNow) -> (StatusCode, &'static str) {
    match *trust.borrow() {
        Some(_) => (StatusCode::OK, "ok"),
        None => (
            StatusCode::SERVICE_UNAVAILABLE,
            "the front proxy's authority is not known",
        ),
    }
}

async fn front_proxy_only(
    State(trust): State<TrustNow>,
    Extension(Peer(certificates)): Extension<Peer>,
    request: Request,
    next: Next,
) -> Response {
    let known = trust.borrow().clone();
    let admitted = match known {
        None => Err(Refusal::NoAuthority),
        Some(trust) => trust.admit(&certificates, request.headers(), UnixTime::now()),
    };
    match admitted {
        Ok(()) => next.run(request).await,
        Err(refusal) => {
            tracing::debug!(%refusal, "metrics refused");
            let mut response = Failure::from(refusal).into_response();
            // A stranger is not to keep one of few connections.
            let close = http::HeaderValue::from_static("close");
            response
                .headers_mut()
                .insert(http::header::CONNECTION, close);
            response
        }
    }
}

async fn nodes(State(meter): State<Arc<Meter>>, params: Params) -> Answer {
    let selector = selector(params)?;
    Ok(Json(meter.node_list(selector.as_ref())))
}

async fn node(State(meter): State<Arc<Meter>>, Path(name): Path<String>) -> Answer {
    let found = meter.node(&name);
    found.map(Json).ok_or_else(|| no_metrics("nodes", &name))
}

async fn all_pods(State(meter): State<Arc<Meter>>, params: Params) -> Answer {
    let selector = selector(params)?;
    Ok(Json(meter.pod_list(None, selector.as_ref())))
}

async fn pods(
    State(meter): State<Arc<Meter>>,
    Path(namespace): Path<String>,
    params: Params,
) -> Answer {
    let selector = selector(params)?;
    Ok(Json(meter.pod_list(Some(&namespace), selector.as_ref())))
}

async fn pod(
    State(meter): State<Arc<Meter>>,
    Path((namespace, name)): Path<(String, String)>,
) -> Answer {
    let found = meter.pod(&namespace, &name);
    found
        .map(Json)
        .ok_or_else(|| no_metrics("pods", &format!("{namespace}/{name}")))
}

async fn schedule(State(meter): State<Arc<Meter>>) -> Json<Value> {
    Json(meter.schedule())
}

/// What a list is narrowed to; `None` for everything.
fn selector(params: Params) -> Result<Option<Selector>, Failure> {
    let Query(params) = params.map_err(|error| Failure::bad_request(error.body_text()))?;
    if params
        .watch
        .is_some_and(|watch| watch != "false" && watch != "0")
    {
        let message = "metrics cannot be watched".to_owned();
        return Err(Failure(
            StatusCode::METHOD_NOT_ALLOWED,
            "MethodNotAllowed",
            message,
        ));
    }
    if params
        .field_selector
        .is_some_and(|fields| !fields.is_empty())
    {
        let message = "metrics cannot be selected by fields; use a label selector or a name";
        return Err(Failure::bad_request(message.to_owned()));
    }
    let text = params.label_selector.filter(|text| !text.is_empty());
    text.map(|text| text.parse::<Selector>())
        .transpose()
        .map_err(|error| Failure::bad_request(error.to_string()))
}

fn no_metrics(resource: &str, name: &str) -> Failure {
    Failure::not_found(format!("{resource}.{GROUP} \"{name}\" not found"))
}

impl Failure {
    fn not_found(message: String) -> Self {
        Self(StatusCode::NOT_FOUND, "NotFound", message)
    }

    fn bad_request(message: String) -> Self {
        Self(StatusCode::BAD_REQUEST, "BadRequest", message)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let (code, reason) = match refusal {
            Refusal::Name => (StatusCode::FORBIDDEN, "Forbidden"),
            _ => (StatusCode::UNAUTHORIZED, "Unauthorized"),
        };
        Self(code, reason, refusal.to_string())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let Self(code, reason, message) = self;
        let status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "reason": reason, "code": code.as_u16(),
        });
        (code, Json(status)).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(uri: &str) -> Params {
        Query::try_from_uri(&uri.parse().unwrap())
    }

    #[test]
    fn lists_are_narrowed_by_labels_alone() {
        let labels = |value: &str| [("app".to_owned(), value.to_owned())].into();
        let found = selector(params("/?labelSelector=app%3Dcart&limit=500"))
            .unwrap()
            .unwrap();
        assert!(found.matches(&labels("cart")) && !found.matches(&labels("other")));
        assert_eq!(
            selector(params("/?labelSelector=&watch=false")).unwrap(),
            None
        );
        for (uri, code) in [
            ("/?labelSelector=a%20b", 400),
            ("/?fieldSelector=metadata.name%3Dx", 400),
            ("/?watch=true", 405),
        ] {
            assert_eq!(selector(params(uri)).unwrap_err().0, code, "{uri}");
        }
    }
}
