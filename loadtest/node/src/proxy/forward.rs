//! Passing one request on to one of a service's endpoints.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, Uri, Version};
use http_body_util::{Either, Full};
use hyper::body::Incoming;

use super::balance;
use super::body::ProxyBody;
use super::endpoint::{Endpoint, UpstreamError};
use super::headers::remove_hop_by_hop;

/// Says why the proxy itself, and not an endpoint, answered.
pub(super) const REASON: HeaderName = HeaderName::from_static("x-viperscale-proxy");

/// The endpoints behind one service port.
#[derive(Debug)]
pub(crate) struct Backend {
    service: String,
    /// Replaced as a whole; requests work on the list that they found.
    endpoints: RwLock<Arc<[Arc<Endpoint>]>>,
}

impl Backend {
    /// A service (`namespace/name`) without endpoints.
    pub(crate) fn new(service: &str) -> Self {
        Self {
            service: service.to_owned(),
            endpoints: RwLock::new(Arc::new([])),
        }
    }

    /// Sets the ready endpoints. Those that stay keep their connections and counts; requests on
    /// those that leave finish.
    pub(crate) fn set_endpoints(&self, wanted: &BTreeSet<SocketAddr>) {
        let old = self.endpoints();
        if old
            .iter()
            .map(|endpoint| endpoint.address)
            .eq(wanted.iter().copied())
        {
            return;
        }
        let kept = |address: SocketAddr| old.iter().find(|e| e.address == address).cloned();
        let new: Arc<[Arc<Endpoint>]> = wanted
            .iter()
            .map(|address| kept(*address).unwrap_or_else(|| Arc::new(Endpoint::new(*address))))
            .collect();
        *self
            .endpoints
            .write()
            .unwrap_or_else(PoisonError::into_inner) = new;
        old.iter()
            .filter(|endpoint| !wanted.contains(&endpoint.address))
            .for_each(|e| e.retire());
    }

    fn endpoints(&self) -> Arc<[Arc<Endpoint>]> {
        self.endpoints
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// An endpoint for the next request; not the one that just failed, if there is another.
    fn choose(&self, failed: Option<SocketAddr>) -> Option<Arc<Endpoint>> {
        let endpoints = self.endpoints();
        let excluded = failed.and_then(|at| endpoints.iter().position(|e| e.address == at));
        let outstanding = |index: usize| endpoints[index].outstanding();
        balance::choose(endpoints.len(), excluded, outstanding, &mut rand::rng())
            .map(|index| endpoints[index].clone())
    }

    /// Answers a request: with an endpoint's response, or 503 when none is ready, or 502 when the
    /// exchange failed. Only a request of which nothing was sent is tried a second time.
    pub(super) async fn forward(&self, request: Request<Incoming>) -> Response<ProxyBody> {
        let mut request = prepared(request);
        let mut failed = None;
        let mut last_error = None;
        for attempt in 0..2 {
            let Some(endpoint) = self.choose(failed) else {
                break;
            };
            match endpoint.send(request, attempt > 0).await {
                Ok(mut response) => {
                    remove_hop_by_hop(response.headers_mut());
                    *response.version_mut() = Version::HTTP_11;
                    return response.map(Either::Left);
                }
                Err(failure) => {
                    // A stale connection says nothing about the endpoint itself.
                    if matches!(failure.error, UpstreamError::Connect { .. }) {
                        failed = Some(endpoint.address);
                    }
                    tracing::debug!(service = self.service, error = %failure.error, attempt, "request not answered");
                    last_error = Some(failure.error);
                    match failure.unsent {
                        Some(unsent) => request = unsent,
                        None => break,
                    }
                }
            }
        }
        match last_error {
            Some(error) => answer(StatusCode::BAD_GATEWAY, &error.to_string()),
            None => {
                let reason = format!("service {} has no ready endpoint", self.service);
                answer(StatusCode::SERVICE_UNAVAILABLE, &reason)
            }
        }
    }
}

/// The request as the endpoint is to see it.
fn prepared(mut request: Request<Incoming>) -> Request<Incoming> {
    remove_hop_by_hop(request.headers_mut());
    *request.version_mut() = Version::HTTP_11;
    // Clients that take us for a forward proxy send the whole URL; servers expect the path.
    if request.uri().authority().is_some() {
        let path = request.uri().path_and_query().cloned();
        *request.uri_mut() = path.map_or_else(|| Uri::from_static("/"), Uri::from);
    }
    request
}

/// A response of the proxy's own.
pub(super) fn answer(status: StatusCode, reason: &str) -> Response<ProxyBody> {
    let mut response = Response::new(Either::Right(Full::new(Bytes::from(format!("{reason}\n")))));
    *response.status_mut() = status;
    // A reason with bytes that no header may hold still stands in the body.
    if let Ok(value) = HeaderValue::from_str(reason) {
        response.headers_mut().insert(REASON, value);
    }
    response
}
