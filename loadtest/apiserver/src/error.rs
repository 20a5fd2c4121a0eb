//! What can go wrong with a request, and the `Status` object a client gets for it.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

/// A field that validation refused, as in `Status.details.causes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cause {
    /// Kubernetes' word for the fault, for example `FieldValueRequired`.
    pub(crate) reason: &'static str,
    /// Path of the field, for example `spec.replicas`.
    pub(crate) field: String,
    /// What is wrong with it.
    pub(crate) message: String,
}

impl Cause {
    /// The field has a value that is not allowed.
    pub(crate) fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            reason: "FieldValueInvalid",
            field: field.into(),
            message: message.into(),
        }
    }

    /// The field is missing.
    pub(crate) fn required(field: impl Into<String>) -> Self {
        Self::required_because(field, "")
    }

    /// The field is missing; `why` it is needed may be empty.
    pub(crate) fn required_because(field: impl Into<String>, why: &str) -> Self {
        let message = if why.is_empty() {
            "Required value".to_owned()
        } else {
            format!("Required value: {why}")
        };
        Self {
            reason: "FieldValueRequired",
            field: field.into(),
            message,
        }
    }

    /// The field may not be set here.
    pub(crate) fn forbidden(field: impl Into<String>, why: &str) -> Self {
        Self {
            reason: "FieldValueForbidden",
            field: field.into(),
            message: format!("Forbidden: {why}"),
        }
    }

    /// The field has none of the words that it may have.
    pub(crate) fn unsupported(field: impl Into<String>, found: &str, supported: &[&str]) -> Self {
        let supported: Vec<String> = supported.iter().map(|word| format!("{word:?}")).collect();
        Self {
            reason: "FieldValueNotSupported",
            field: field.into(),
            message: format!(
                "Unsupported value: {found:?}: supported values: {}",
                supported.join(", ")
            ),
        }
    }
}

/// A refused request. Each variant is one `reason` of the Kubernetes API conventions.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// No such object; `resource` is qualified (`deployments.apps`).
    #[error("{resource} {name:?} not found")]
    NotFound { resource: String, name: String },
    /// No such path or resource type.
    #[error("the server could not find the requested resource")]
    UnknownResource,
    /// A create met an object of the same name.
    #[error("{resource} {name:?} already exists")]
    AlreadyExists { resource: String, name: String },
    /// Optimistic concurrency or a precondition failed; read again and retry.
    #[error("Operation cannot be fulfilled on {resource} {name:?}: {why}")]
    Conflict {
        resource: String,
        name: String,
        why: String,
    },
    /// The object breaks its type's rules.
    #[error("{kind} {name:?} is invalid: {}", causes_text(.causes))]
    Invalid {
        kind: String,
        name: String,
        causes: Vec<Cause>,
    },
    /// The request itself is malformed.
    #[error("{0}")]
    BadRequest(String),
    /// Understood, and not allowed in the present state.
    #[error("{resource} {name:?} is forbidden: {why}")]
    Forbidden {
        resource: String,
        name: String,
        why: String,
    },
    /// No token, or not ours.
    #[error("Unauthorized")]
    Unauthorized,
    /// The requested history is no longer (or not yet) held; list again.
    #[error("{0}")]
    Expired(String),
    /// The requested resourceVersion lies in the future of this server.
    #[error("Too large resource version: {requested}, current: {current}")]
    FutureVersion { requested: u64, current: u64 },
    /// The verb does not exist on this resource.
    #[error("the server does not allow this method on the requested resource")]
    MethodNotAllowed,
    /// No representation the client accepts.
    #[error("only the following media types are accepted: application/json")]
    NotAcceptable,
    /// A body in a format this server does not read.
    #[error("{0}")]
    UnsupportedMediaType(String),
    /// The body is larger than the limit.
    #[error("Request entity too large: limit is {limit_bytes} bytes")]
    TooLarge { limit_bytes: usize },
    /// A store limit was reached.
    #[error("{0}")]
    TooManyObjects(String),
    /// A part of Kubernetes that the local cluster leaves out on purpose.
    #[error("{0}")]
    NotImplemented(String),
    /// An extension server cannot be reached, and why.
    #[error("{0}")]
    ServiceUnavailable(String),
    /// An extension server answered with what must not be passed on.
    #[error("{0}")]
    BadGateway(String),
    /// An extension server did not answer in time.
    #[error("{0}")]
    Timeout(String),
    /// Too much is going on at once; the same request may succeed in a second.
    #[error("{0}")]
    TooManyRequests(String),
    /// A fault of this server.
    #[error("Internal error occurred: {0}")]
    Internal(String),
}

fn causes_text(causes: &[Cause]) -> String {
    let texts: Vec<String> = causes
        .iter()
        .map(|cause| format!("{}: {}", cause.field, cause.message))
        .collect();
    match texts.as_slice() {
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    }
}

impl ApiError {
    fn code_and_reason(&self) -> (StatusCode, &'static str) {
        match self {
            Self::NotFound { .. } | Self::UnknownResource => (StatusCode::NOT_FOUND, "NotFound"),
            Self::AlreadyExists { .. } => (StatusCode::CONFLICT, "AlreadyExists"),
            Self::Conflict { .. } => (StatusCode::CONFLICT, "Conflict"),
            Self::Invalid { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "Invalid"),
            Self::BadRequest(_) => (StatusCode::BAD_REQUEST, "BadRequest"),
            Self::Forbidden { .. } => (StatusCode::FORBIDDEN, "Forbidden"),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "Unauthorized"),
            Self::Expired(_) => (StatusCode::GONE, "Expired"),
            Self::FutureVersion { .. } | Self::Timeout(_) => {
                (StatusCode::GATEWAY_TIMEOUT, "Timeout")
            }
            Self::ServiceUnavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable"),
            Self::BadGateway(_) => (StatusCode::BAD_GATEWAY, "ServiceUnavailable"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed"),
            Self::NotAcceptable => (StatusCode::NOT_ACCEPTABLE, "NotAcceptable"),
            Self::UnsupportedMediaType(_) => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType")
            }
            Self::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge"),
            Self::TooManyObjects(_) | Self::TooManyRequests(_) => {
                (StatusCode::TOO_MANY_REQUESTS, "TooManyRequests")
            }
            Self::NotImplemented(_) => (StatusCode::NOT_IMPLEMENTED, "NotImplemented"),
            Self::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
        }
    }

    /// The `Status` object for this error.
    pub(crate) fn status(&self) -> Value {
        let (code, reason) = self.code_and_reason();
        let mut status = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.to_string(),
            "reason": reason,
            "code": code.as_u16(),
        });
        if let Some(details) = self.details() {
            status["details"] = details;
        }
        status
    }

    fn details(&self) -> Option<Value> {
        match self {
            Self::NotFound { resource, name }
            | Self::AlreadyExists { resource, name }
            | Self::Conflict { resource, name, .. }
            | Self::Forbidden { resource, name, .. } => {
                let (plural, group) = resource.split_once('.').unwrap_or((resource, ""));
                Some(json!({"name": name, "group": group, "kind": plural}))
            }
            Self::Invalid { kind, name, causes } => {
                let (kind, group) = kind.split_once('.').unwrap_or((kind, ""));
                let causes: Vec<Value> = causes
                    .iter()
                    .map(|cause| {
                        json!({"reason": cause.reason, "message": cause.message, "field": cause.field})
                    })
                    .collect();
                Some(json!({"name": name, "group": group, "kind": kind, "causes": causes}))
            }
            Self::FutureVersion { .. } => Some(json!({
                "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
                "retryAfterSeconds": 1,
            })),
            _ => None,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.code_and_reason().0, self.status().to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        if matches!(
            self,
            Self::FutureVersion { .. } | Self::TooManyObjects(_) | Self::TooManyRequests(_)
        ) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn not_found_names_group_and_plural() {
        let status = ApiError::NotFound {
            resource: "deployments.apps".into(),
            name: "web".into(),
        }
        .status();
        assert_eq!(status["code"], 404);
        assert_eq!(status["reason"], "NotFound");
        assert_eq!(status["details"]["group"], "apps");
        assert_eq!(status["details"]["kind"], "deployments");
        assert_eq!(status["message"], "deployments.apps \"web\" not found");
    }

    #[test]
    fn invalid_lists_every_cause() {
        let status = ApiError::Invalid {
            kind: "Deployment.apps".into(),
            name: "web".into(),
            causes: vec![
                Cause::required("spec.selector"),
                Cause::invalid("spec.replicas", "bad"),
            ],
        }
        .status();
        assert_eq!(status["code"], 422);
        assert_eq!(status["details"]["causes"][1]["field"], "spec.replicas");
        assert!(
            status["message"]
                .as_str()
                .unwrap()
                .contains("[spec.selector: Required value, ")
        );
    }
}
