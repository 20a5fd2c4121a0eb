//! From HTTP requests to the store and back.
//!
//! ```text
//! request ─▶ auth ─▶ aggregation ─▶ router ─▶ discovery, health, openapi
//!                                      └────▶ path ─▶ Target ─▶ read / watch / write / subresource ─▶ render
//! ```

mod delete;
mod negotiate;
mod params;
mod path;
mod read;
mod render;
mod watch;
mod write;

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, Method, header};

use crate::aggregation::{Aggregator, intercept};
use crate::api::Api;
use crate::auth::{Auth, require_token};
use crate::discovery;
use crate::error::ApiError;
use crate::lifecycle::Target;
use negotiate::Representation;
use params::Params;
use path::ResourcePath;

/// The largest request body, as in a real API server (3 MiB).
const BODY_LIMIT_BYTES: usize = 3 << 20;

/// The whole server as a router.
pub(crate) fn router(api: Arc<Api>, aggregator: Arc<Aggregator>, auth: Auth) -> Router {
    Router::new()
        .route("/version", get(discovery::version))
        .route("/api", get(discovery::core_versions))
        .route("/api/v1", get(discovery::core_resources))
        .route("/apis", get(discovery::groups))
        .route("/apis/{group}", get(discovery::group))
        .route("/apis/{group}/{version}", get(discovery::group_resources))
        .route("/openapi/v3", get(discovery::openapi_index))
        .route("/openapi/v3/{*path}", get(discovery::openapi_document))
        .fallback(resource_request)
        .layer(from_fn_with_state(aggregator, intercept))
        .layer(from_fn_with_state(auth, require_token))
        // Health is open, as on a real server: probes carry no token.
        .route("/healthz", get(healthy))
        .route("/livez", get(healthy))
        .route("/readyz", get(healthy))
        .with_state(api)
}

async fn healthy() -> &'static str {
    "ok"
}

/// A request on a resource, taken apart.
struct Call {
    api: Arc<Api>,
    target: Target,
    subresource: Option<String>,
    params: Params,
    representation: Representation,
    content_type: String,
    body: Bytes,
}

async fn resource_request(
    State(api): State<Arc<Api>>,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let path = ResourcePath::parse(parts.uri.path()).ok_or(ApiError::UnknownResource)?;
    let resource = api
        .registry
        .find(&path.group, &path.version, &path.resource)
        .ok_or(ApiError::UnknownResource)?;
    if !resource.namespaced && !path.namespace.is_empty() {
        return Err(ApiError::UnknownResource);
    }
    let target = Target {
        resource,
        namespace: path.namespace,
        name: path.name,
    };
    let call = Call {
        params: Params::parse(&parts.uri)?,
        representation: Representation::negotiate(&parts.headers)?,
        content_type: content_type(&parts.headers),
        body: read_body(body).await?,
        subresource: path.subresource,
        target,
        api,
    };
    dispatch(&parts.method, call)
}

fn dispatch(method: &Method, call: Call) -> Result<Response, ApiError> {
    let collection = call.target.name.is_empty();
    if collection && call.target.resource.namespaced && call.target.namespace.is_empty() {
        // Across all namespaces one can only look.
        return if method == Method::GET {
            read::list(call)
        } else {
            Err(ApiError::MethodNotAllowed)
        };
    }
    if let Some(subresource) = call.subresource.clone() {
        return write::subresource(method, &subresource, call);
    }
    match (method, collection) {
        (&Method::GET, true) => read::list(call),
        (&Method::POST, true) => write::create(call),
        (&Method::DELETE, true) => delete::collection(call),
        (&Method::GET, false) => read::get(call),
        (&Method::PUT, false) => write::update(call),
        (&Method::PATCH, false) => write::patch(call),
        (&Method::DELETE, false) => delete::one(call),
        _ => Err(ApiError::MethodNotAllowed),
    }
}

fn content_type(headers: &HeaderMap) -> String {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("application/json")
        .to_owned()
}

async fn read_body(body: Body) -> Result<Bytes, ApiError> {
    axum::body::to_bytes(body, BODY_LIMIT_BYTES)
        .await
        .map_err(|_| ApiError::TooLarge {
            limit_bytes: BODY_LIMIT_BYTES,
        })
}

/// A JSON response from ready-made bytes.
fn json_bytes(status: http::StatusCode, bytes: impl Into<Body>) -> Response {
    let mut response = (status, bytes.into()).into_response();
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        http::HeaderValue::from_static("application/json"),
    );
    response
}
