//! Why an extension server gave no answer.

use std::io;
use std::time::Duration;

use super::registration::ServiceRef;
use crate::error::ApiError;

/// Why an extension server gave no answer. [`Unreachable::reason`] is the word that
/// kube-aggregator uses in the `Available` condition.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreachable {
    #[error("service/{} in {:?} is not present", .0.name, .0.namespace)]
    ServiceNotFound(ServiceRef),
    #[error("service/{} in {:?} is not listening on port {}", .0.name, .0.namespace, .0.port)]
    ServicePort(ServiceRef),
    #[error("cannot find endpointslices for service/{} in {:?}", .0.name, .0.namespace)]
    EndpointsNotFound(ServiceRef),
    #[error("endpointslices for service/{} in {:?} have no addresses with port name {port:?}", .service.name, .service.namespace)]
    MissingEndpoints { service: ServiceRef, port: String },
    #[error(
        "no authority for its certificate is known: the APIService has neither caBundle nor insecureSkipTLSVerify"
    )]
    NoTrust,
    #[error("the caBundle cannot be used: {0}")]
    Bundle(String),
    #[error("{0:?} is not a host name that a certificate can be valid for")]
    HostName(String),
    #[error("cannot connect to {address}: {source}")]
    Connect { address: String, source: io::Error },
    /// A certificate that `caBundle` does not vouch for is the usual cause.
    #[error("TLS with {address} as {host} failed: {source}")]
    Tls {
        address: String,
        host: String,
        source: io::Error,
    },
    #[error("{address} did not accept a connection within {limit:?}")]
    ConnectTimeout { address: String, limit: Duration },
    #[error("{address} did not answer the request within {limit:?}")]
    AnswerTimeout { address: String, limit: Duration },
    #[error("{address} broke off the request: {source}")]
    Http {
        address: String,
        source: hyper::Error,
    },
    #[error("cannot set up TLS: {0}")]
    Setup(#[from] rustls::Error),
    #[error("{0} requests to extension servers are open already; try again")]
    Busy(usize),
}

impl Unreachable {
    /// The condition's reason.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::ServiceNotFound(_) => "ServiceNotFound",
            Self::ServicePort(_) => "ServicePortError",
            Self::EndpointsNotFound(_) => "EndpointsNotFound",
            Self::MissingEndpoints { .. } => "MissingEndpoints",
            _ => "FailedDiscoveryCheck",
        }
    }

    /// The answer to a caller who asked for something of `group_version`.
    pub(super) fn answer(self, group_version: &str, service: &ServiceRef) -> ApiError {
        let message = format!(
            "{group_version} is served by service {service}, which cannot be reached: {self}"
        );
        match self {
            Self::AnswerTimeout { .. } => ApiError::Timeout(message),
            Self::Busy(_) => ApiError::TooManyRequests(message),
            _ => ApiError::ServiceUnavailable(message),
        }
    }
}
