//! Field selectors: `path=value`, `path!=value` on the few fields each resource supports.

use serde_json::{Number, Value};

use crate::error::ApiError;
use crate::object::at;

/// All terms must hold.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct FieldSelector(Vec<Term>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    path: String,
    equal: bool,
    value: String,
}

impl FieldSelector {
    /// Parses the selector for a collection, refusing fields that it does not support.
    pub(crate) fn parse(text: &str, collection: &str) -> Result<Self, ApiError> {
        let mut terms = Vec::new();
        for part in text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            let (path, equal, value) = if let Some((path, value)) = part.split_once("!=") {
                (path, false, value)
            } else if let Some((path, value)) =
                part.split_once("==").or_else(|| part.split_once('='))
            {
                (path, true, value)
            } else {
                return Err(ApiError::BadRequest(format!(
                    "invalid field selector: {part:?}; expected field=value or field!=value"
                )));
            };
            let path = storage_path(path.trim());
            if !is_supported(collection, path) {
                return Err(ApiError::BadRequest(format!(
                    "field label not supported: {path}"
                )));
            }
            terms.push(Term {
                path: path.to_owned(),
                equal,
                value: value.trim().to_owned(),
            });
        }
        Ok(Self(terms))
    }

    /// Whether it selects everything.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the (stored) object satisfies every term; a missing field reads as empty.
    pub(crate) fn matches(&self, value: &Value) -> bool {
        self.0.iter().all(|term| {
            let equal = match at(value, &term.path) {
                Value::String(text) => *text == term.value,
                Value::Null => term.value.is_empty(),
                Value::Bool(flag) => term.value.parse() == Ok(*flag),
                Value::Number(number) => term
                    .value
                    .parse()
                    .is_ok_and(|wanted: Number| wanted == *number),
                Value::Array(_) | Value::Object(_) => false,
            };
            equal == term.equal
        })
    }
}

/// `events.k8s.io` selects on `regarding.*`; events are stored in the core form.
fn storage_path(path: &str) -> &str {
    match path {
        "regarding.kind" => "involvedObject.kind",
        "regarding.name" => "involvedObject.name",
        "regarding.namespace" => "involvedObject.namespace",
        "regarding.uid" => "involvedObject.uid",
        "reportingController" => "reportingComponent",
        other => other,
    }
}

fn is_supported(collection: &str, path: &str) -> bool {
    if matches!(path, "metadata.name" | "metadata.namespace") {
        return true;
    }
    let supported: &[&str] = match collection {
        "pods" => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "status.phase",
            "status.podIP",
        ],
        "events" => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.fieldPath",
            "involvedObject.resourceVersion",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        "nodes" => &["spec.unschedulable"],
        "namespaces" => &["status.phase"],
        "secrets" => &["type"],
        "services" => &["spec.clusterIP", "spec.type"],
        "replicasets.apps" => &["status.replicas"],
        _ => &[],
    };
    supported.contains(&path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pods_by_node_and_phase() {
        let pod = json!({"metadata": {"name": "a"}, "spec": {"nodeName": "n1"}, "status": {"phase": "Running"}});
        let matches = |selector| {
            FieldSelector::parse(selector, "pods")
                .unwrap()
                .matches(&pod)
        };
        assert!(matches("spec.nodeName=n1,status.phase!=Failed"));
        assert!(!matches("spec.nodeName="));
        assert!(matches("metadata.name==a"));
        assert!(matches("status.podIP="));
    }

    #[test]
    fn unsupported_fields_are_refused() {
        assert!(FieldSelector::parse("spec.foo=1", "pods").is_err());
        assert!(FieldSelector::parse("spec.nodeName", "pods").is_err());
    }
}
