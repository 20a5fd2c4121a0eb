//! Why a request got no answer, and the status that says so.

use axum::response::{IntoResponse, Response};
use http::StatusCode;

use crate::client::CallError;

/// A request that failed, in any role behind the frontend. The frontend turns all of them into its 500.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("the deadline passed before a worker was free")]
    Expired,
    #[error("no {what} {name:?}")]
    NotFound { what: &'static str, name: String },
    #[error("the store is full ({keys} keys): it keeps what it has and takes nothing new")]
    StoreFull { keys: usize },
    #[error("the worker died: {0}")]
    Worker(#[from] tokio::task::JoinError),
}

impl Failure {
    fn status(&self) -> StatusCode {
        match self {
            Self::Call(CallError::TooLate { .. }) | Self::Expired => StatusCode::GATEWAY_TIMEOUT,
            Self::Call(_) => StatusCode::BAD_GATEWAY,
            Self::NotFound { .. } => StatusCode::NOT_FOUND,
            Self::StoreFull { .. } => StatusCode::INSUFFICIENT_STORAGE,
            Self::Worker(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.status(), format!("{self}\n")).into_response()
    }
}
