//! Requests of clients, passed on to extension servers.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};

use super::Aggregator;
use super::front_proxy::{GROUP_HEADER, HEADER_PREFIX, USER_HEADER};
use super::registration::{Backend, Registration};
use crate::auth::User;
use crate::error::ApiError;

/// How long an ordinary exchange may take, its body included, as in kube-apiserver.
const LIMIT: Duration = Duration::from_secs(60);
/// The same for watches, which extension servers end themselves long before.
const WATCH_LIMIT: Duration = Duration::from_secs(60 * 60);

/// Headers that concern one connection only (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Passes requests of registered groups on, and all others to the server's own routes.
///
/// It runs behind authentication: there is a [`User`] in every request.
pub(crate) async fn intercept(
    State(aggregator): State<Arc<Aggregator>>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    match aggregator.registered(request.uri().path()) {
        Some((registration, backend)) => aggregator.pass(&registration, &backend, request).await,
        None => Ok(next.run(request).await),
    }
}

impl Aggregator {
    /// Who serves `/apis/GROUP/VERSION` or something below it, if it is not this server.
    fn registered(&self, path: &str) -> Option<(Registration, Backend)> {
        let mut parts = path.strip_prefix("/apis/")?.split('/');
        let (group, version) = (parts.next()?, parts.next()?);
        let registration = Registration::find(&self.api.store, group, version)?;
        let backend = registration.backend.clone()?;
        (!registration.is_shadowed(&self.api)).then_some((registration, backend))
    }

    async fn pass(
        &self,
        registration: &Registration,
        backend: &Backend,
        request: Request,
    ) -> Result<Response, ApiError> {
        let limit = if is_watch(request.uri()) {
            WATCH_LIMIT
        } else {
            LIMIT
        };
        let request = outgoing(request, backend)?;
        match self.exchange(backend, request, limit).await {
            Ok(answer) => incoming(answer.map(Body::new), registration),
            Err(error) => {
                // Discovery should not go on to name a server that is gone.
                if registration.available {
                    self.check.notify_one();
                }
                let group_version = format!("{}/{}", registration.group, registration.version);
                Err(error.answer(&group_version, &backend.service))
            }
        }
    }
}

fn is_watch(uri: &Uri) -> bool {
    uri.query().unwrap_or_default().split('&').any(|parameter| {
        matches!(parameter.split_once('='), Some(("watch", value)) if value == "true" || value == "1")
    })
}

/// The request as the extension server gets it.
fn outgoing(request: Request, backend: &Backend) -> Result<Request, ApiError> {
    let (parts, body) = request.into_parts();
    let user = parts
        .extensions
        .get::<User>()
        .ok_or(ApiError::Unauthorized)?;
    let uri = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let mut outgoing = Request::builder()
        .method(parts.method)
        .uri(uri)
        .body(body)
        .map_err(|error| {
            ApiError::BadRequest(format!("the request cannot be passed on: {error}"))
        })?;
    *outgoing.headers_mut() = parts.headers;
    let headers = outgoing.headers_mut();
    remove_hop_by_hop(headers);
    remove_credentials(headers);
    set_user(headers, user);
    let host = HeaderValue::try_from(backend.service.host())
        .map_err(|error| ApiError::BadRequest(format!("the service has no host name: {error}")))?;
    headers.insert(header::HOST, host);
    Ok(outgoing)
}

/// States the caller, in place of whatever was said about it.
pub(super) fn set_user(headers: &mut HeaderMap, user: &User) {
    headers.insert(USER_HEADER, HeaderValue::from_static(user.name));
    for group in user.groups {
        headers.append(GROUP_HEADER, HeaderValue::from_static(group));
    }
}

/// Our own token must not leave this server, and nobody but us says who the caller is.
fn remove_credentials(headers: &mut HeaderMap) {
    headers.remove(header::AUTHORIZATION);
    headers.remove(header::COOKIE);
    let forged: Vec<HeaderName> = headers
        .keys()
        .filter(|name| {
            let name = name.as_str();
            name.starts_with(HEADER_PREFIX) || name.starts_with("impersonate-")
        })
        .cloned()
        .collect();
    for name in forged {
        headers.remove(name);
    }
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// The answer as the client gets it. Redirects are refused, not followed and not passed on: they
/// would lead the client, with its credentials, or us, wherever the extension server likes.
fn incoming(mut answer: Response, registration: &Registration) -> Result<Response, ApiError> {
    if answer.status().is_redirection() && answer.headers().contains_key(header::LOCATION) {
        return Err(ApiError::BadGateway(format!(
            "the server of {}/{} attempted to redirect this request, which is not permitted",
            registration.group, registration.version
        )));
    }
    remove_hop_by_hop(answer.headers_mut());
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::super::registration::{ServiceRef, Trust};
    use super::*;

    fn sent(headers: &[(&str, &str)]) -> Request {
        let backend = Backend {
            service: ServiceRef {
                namespace: "kube-system".into(),
                name: "metrics-server".into(),
                port: 443,
            },
            trust: Trust::Nothing,
        };
        let mut request = Request::builder().uri("/apis/g/v1/pods?limit=1");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Body::empty()).unwrap();
        request.extensions_mut().insert(User::ADMINISTRATOR);
        outgoing(request, &backend).unwrap()
    }

    #[test]
    fn credentials_and_claims_stay_behind() {
        let request = sent(&[
            ("authorization", "Bearer secret"),
            ("x-remote-user", "somebody"),
            ("x-remote-group", "system:nodes"),
            ("x-remote-extra-scopes", "all"),
            ("impersonate-user", "somebody"),
            ("connection", "close, x-private"),
            ("x-private", "1"),
            ("accept", "application/json"),
        ]);
        let headers = request.headers();
        for name in [
            "authorization",
            "x-remote-extra-scopes",
            "impersonate-user",
            "connection",
            "x-private",
        ] {
            assert!(!headers.contains_key(name), "{name}");
        }
        assert_eq!(headers[USER_HEADER], User::ADMINISTRATOR.name);
        let groups: Vec<_> = headers.get_all(GROUP_HEADER).iter().collect();
        assert_eq!(groups, User::ADMINISTRATOR.groups);
        assert_eq!(headers["accept"], "application/json");
        assert_eq!(headers["host"], "metrics-server.kube-system.svc");
        assert_eq!(request.uri(), "/apis/g/v1/pods?limit=1");
    }

    #[test]
    fn watches_are_told_from_other_requests() {
        assert!(is_watch(
            &"/apis/g/v1/pods?limit=1&watch=true".parse().unwrap()
        ));
        assert!(!is_watch(&"/apis/g/v1/watch?name=watch".parse().unwrap()));
    }
}
