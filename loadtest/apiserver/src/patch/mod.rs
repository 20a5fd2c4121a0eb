//! The four patch formats of the Kubernetes API.

mod apply;
mod keys;
mod strategic;

pub(crate) use apply::{apply, record_manager};

use serde_json::Value;

use crate::error::ApiError;

/// A parsed patch request.
#[derive(Debug, Clone)]
pub(crate) enum Patch {
    /// RFC 6902.
    Json(json_patch::Patch),
    /// RFC 7386.
    Merge(Value),
    /// A merge that knows the keys of well-known lists, built-in kinds only.
    Strategic(Value),
    /// Server-side apply.
    Apply(Value),
}

impl Patch {
    /// Parses a body by its content type (parameters such as `charset` are ignored).
    pub(crate) fn parse(content_type: &str, body: &[u8]) -> Result<Self, ApiError> {
        let bad = |error: &dyn std::fmt::Display| {
            ApiError::BadRequest(format!("the patch is malformed: {error}"))
        };
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        let object = || -> Result<Value, ApiError> {
            let value: Value = serde_json::from_slice(body).map_err(|error| bad(&error))?;
            if value.is_object() {
                Ok(value)
            } else {
                Err(bad(&"expected an object"))
            }
        };
        match media_type {
            "application/json-patch+json" => serde_json::from_slice(body)
                .map(Self::Json)
                .map_err(|error| bad(&error)),
            "application/merge-patch+json" => object().map(Self::Merge),
            "application/strategic-merge-patch+json" => object().map(Self::Strategic),
            // YAML contains JSON; the common case is tried first because it is much cheaper.
            "application/apply-patch+yaml" => object()
                .or_else(|_| serde_yaml::from_slice(body).map_err(|error| bad(&error)))
                .map(Self::Apply),
            other => Err(ApiError::UnsupportedMediaType(format!(
                "the body of the request was in an unknown format ({other:?}); accepted media types \
                 include: application/json-patch+json, application/merge-patch+json, \
                 application/strategic-merge-patch+json, application/apply-patch+yaml"
            ))),
        }
    }

    /// The patched object. The input is untouched when the patch does not fit.
    pub(crate) fn patched(&self, object: &Value) -> Result<Value, ApiError> {
        let mut result = object.clone();
        match self {
            Self::Json(patch) => json_patch::patch(&mut result, patch).map_err(|error| {
                ApiError::BadRequest(format!("the server rejected our request: {error}"))
            })?,
            Self::Merge(patch) => json_patch::merge(&mut result, patch),
            Self::Strategic(patch) => strategic::merge(&mut result, patch)?,
            Self::Apply(patch) => apply(&mut result, patch)?,
        }
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_format_is_recognised() {
        let object = json!({"spec": {"replicas": 1, "paused": true}});
        let cases: [(&str, &str); 4] = [
            (
                "application/json-patch+json",
                r#"[{"op":"replace","path":"/spec/replicas","value":2},{"op":"remove","path":"/spec/paused"}]"#,
            ),
            (
                "application/merge-patch+json; charset=utf-8",
                r#"{"spec":{"replicas":2,"paused":null}}"#,
            ),
            (
                "application/strategic-merge-patch+json",
                r#"{"spec":{"replicas":2,"paused":null}}"#,
            ),
            (
                "application/apply-patch+yaml",
                "spec:\n  replicas: 2\n  paused: null\n",
            ),
        ];
        for (content_type, body) in cases {
            let patched = Patch::parse(content_type, body.as_bytes())
                .unwrap()
                .patched(&object);
            assert_eq!(
                patched.unwrap(),
                json!({"spec": {"replicas": 2}}),
                "{content_type}"
            );
        }
    }

    #[test]
    fn wrong_patches_are_refused() {
        assert!(matches!(
            Patch::parse("application/json", b"{}"),
            Err(ApiError::UnsupportedMediaType(_))
        ));
        assert!(Patch::parse("application/merge-patch+json", b"[1]").is_err());
        let patch = Patch::parse(
            "application/json-patch+json",
            br#"[{"op":"test","path":"/a","value":2}]"#,
        )
        .unwrap();
        assert!(matches!(
            patch.patched(&json!({"a": 1})),
            Err(ApiError::BadRequest(_))
        ));
    }
}
