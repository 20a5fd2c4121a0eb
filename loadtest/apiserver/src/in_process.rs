//! The API server without sockets: requests in, responses out. For tests that own the network.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use http::{HeaderValue, Request, Response, header};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::aggregation::{Aggregator, FrontProxy};
use crate::api::Api;
use crate::auth::Auth;
use crate::config::StoreLimits;
use crate::tls::TlsError;
use crate::{bootstrap, http as routes};

/// An API server inside this process: the same routes, store and watches as [`crate::serve`], with
/// neither TLS nor connections around them and no controllers. Copies share its objects.
///
/// Watches wait on the async runtime that polls their responses, and on its clock.
#[derive(Clone)]
pub struct InProcess {
    service: TowerToHyperService<Router>,
    authorization: HeaderValue,
}

impl InProcess {
    /// An empty cluster with the standard namespaces.
    ///
    /// # Errors
    /// When the keys of the front proxy cannot be made.
    pub fn new(limits: StoreLimits) -> Result<Self, TlsError> {
        let api = Arc::new(Api::new(limits, CancellationToken::new()));
        let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 443));
        bootstrap::create_initial_objects(&api, nowhere, &Value::Null);
        let auth = Auth::generate();
        let authorization = HeaderValue::try_from(format!("Bearer {}", auth.token()))
            .expect("base64 is fit for a header");
        let aggregator = Arc::new(Aggregator::new(Arc::clone(&api), FrontProxy::generate()?));
        let router = routes::router(api, aggregator, auth);
        Ok(Self {
            service: TowerToHyperService::new(router),
            authorization,
        })
    }

    /// Answers a request, whose URI is a path; nobody is asked for a token.
    pub async fn answer(&self, request: Request<Bytes>) -> Response<Body> {
        let mut request = request.map(Body::from);
        let headers = request.headers_mut();
        headers.insert(header::AUTHORIZATION, self.authorization.clone());
        match self.service.call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

impl fmt::Debug for InProcess {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("InProcess(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;

    #[tokio::test]
    async fn it_answers_without_a_token_and_shares_its_objects() {
        let server = InProcess::new(StoreLimits::default()).unwrap();
        let body = Bytes::from_static(br#"{"metadata": {"name": "shop"}}"#);
        let create = Request::post("/api/v1/namespaces")
            .header(header::CONTENT_TYPE, "application/json")
            .body(body)
            .unwrap();
        assert_eq!(
            server.clone().answer(create).await.status(),
            StatusCode::CREATED
        );
        let get = Request::get("/api/v1/namespaces/shop")
            .body(Bytes::new())
            .unwrap();
        assert_eq!(server.answer(get).await.status(), StatusCode::OK);
    }
}
