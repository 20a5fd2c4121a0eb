//! Calls to other roles: keep-alive connections, a deadline on each call.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::uri::Authority;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::counters::Counters;
use crate::deadline::{DEADLINE_HEADER, Deadline};
use crate::role::Role;

/// A page of the shop is a few kilobytes; more than this is not an answer of ours.
const MAX_ANSWER_BYTES: usize = 1 << 20;

/// Idle connections kept per callee; beyond it they close.
const MAX_IDLE_CONNECTIONS: usize = 64;

/// Shorter than the server keeps an idle connection, so that the client is the one to close it.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// A call that brought no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The role was started without the callee's address.
    #[error("no address of {callee}: set {}", callee.address_variable())]
    NoAddress {
        /// Who was to be called.
        callee: Role,
    },
    /// The call's timeout or the caller's own deadline passed.
    #[error("{callee} did not answer in time")]
    TooLate {
        /// Who was called.
        callee: Role,
    },
    /// The callee answered with another status than success.
    #[error("{callee} answered {status}")]
    Refused {
        /// Who was called.
        callee: Role,
        /// Its answer.
        status: StatusCode,
    },
    /// No connection, or one that broke.
    #[error("cannot reach {callee}: {source}")]
    Unreachable {
        /// Who was called.
        callee: Role,
        /// What went wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The answer is not the JSON document that was expected.
    #[error("{callee} answered nonsense: {source}")]
    Nonsense {
        /// Who was called.
        callee: Role,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

/// A caller of other roles.
#[derive(Clone, Debug)]
pub struct Client {
    http: HttpClient<HttpConnector, Full<Bytes>>,
    addresses: BTreeMap<Role, Authority>,
    timeout: Duration,
    counters: Arc<Counters>,
}

impl Client {
    pub(crate) fn new(
        addresses: BTreeMap<Role, Authority>,
        timeout: Duration,
        counters: Arc<Counters>,
    ) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let http = HttpClient::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(MAX_IDLE_CONNECTIONS)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build(connector);
        Self {
            http,
            addresses,
            timeout,
            counters,
        }
    }

    /// The same client with another timeout per call.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        Self {
            timeout,
            ..self.clone()
        }
    }

    /// Asks `callee` for a JSON document.
    ///
    /// # Errors
    /// Any [`CallError`].
    pub async fn get<T: DeserializeOwned>(
        &self,
        callee: Role,
        path: &str,
        deadline: Deadline,
    ) -> Result<T, CallError> {
        let answer = self
            .call(callee, Method::GET, path, Bytes::new(), deadline)
            .await?;
        serde_json::from_slice(&answer).map_err(|source| CallError::Nonsense { callee, source })
    }

    /// Sends `callee` a JSON document; returns its answer unread.
    ///
    /// # Errors
    /// Any [`CallError`].
    pub async fn send(
        &self,
        callee: Role,
        method: Method,
        path: &str,
        body: &impl Serialize,
        deadline: Deadline,
    ) -> Result<Bytes, CallError> {
        let body =
            serde_json::to_vec(body).map_err(|source| CallError::Nonsense { callee, source })?;
        self.call(callee, method, path, body.into(), deadline).await
    }

    async fn call(
        &self,
        callee: Role,
        method: Method,
        path: &str,
        body: Bytes,
        deadline: Deadline,
    ) -> Result<Bytes, CallError> {
        let outcome = match deadline.remaining() {
            Some(left) => {
                let limit = left.min(self.timeout);
                tokio::time::timeout(limit, self.exchange(callee, method, path, body, limit))
                    .await
                    .unwrap_or(Err(CallError::TooLate { callee }))
            }
            None => Err(CallError::TooLate { callee }),
        };
        self.counters.called(callee, outcome.is_ok());
        outcome
    }

    async fn exchange(
        &self,
        callee: Role,
        method: Method,
        path: &str,
        body: Bytes,
        limit: Duration,
    ) -> Result<Bytes, CallError> {
        let address = self
            .addresses
            .get(&callee)
            .ok_or(CallError::NoAddress { callee })?;
        let unreachable = |source| CallError::Unreachable { callee, source };
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{address}{path}"))
            .header(DEADLINE_HEADER, limit.as_millis().to_string())
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|error| unreachable(error.into()))?;
        let response = self
            .http
            .request(request)
            .await
            .map_err(|error| unreachable(with_cause(&error)))?;
        let status = response.status();
        // Read the body of a refusal too: a connection with an unread body cannot be used again.
        let answer = Limited::new(response.into_body(), MAX_ANSWER_BYTES)
            .collect()
            .await
            .map_err(unreachable)?
            .to_bytes();
        match status {
            StatusCode::GATEWAY_TIMEOUT => Err(CallError::TooLate { callee }),
            status if status.is_success() => Ok(answer),
            status => Err(CallError::Refused { callee, status }),
        }
    }
}

/// hyper-util's error only says "client error (Connect)"; its source says "connection refused".
fn with_cause(error: &dyn std::error::Error) -> Box<dyn std::error::Error + Send + Sync> {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        message = format!("{message}: {error}");
        cause = error.source();
    }
    message.into()
}
