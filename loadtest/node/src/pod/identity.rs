//! Which pod: the names used in paths, messages and API calls, checked once.

use k8s_openapi::api::core::v1::Pod;

/// Namespace, name and UID of a pod; safe to use as parts of file names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct PodIdentity {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: String,
}

impl PodIdentity {
    /// The identity of a pod that the API server returned; `None` when a part is missing or could
    /// leave the directory it names.
    pub(crate) fn of(pod: &Pod) -> Option<Self> {
        let part = |text: &Option<String>| {
            text.clone().filter(|text| {
                !text.is_empty()
                    && !text.starts_with('.')
                    && text
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
            })
        };
        Some(Self {
            namespace: part(&pod.metadata.namespace)?,
            name: part(&pod.metadata.name)?,
            uid: part(&pod.metadata.uid)?,
        })
    }
}

impl std::fmt::Display for PodIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn refuses_names_that_leave_their_directory() {
        let identity = |uid: &str| {
            let metadata = json!({"metadata": {"namespace": "n", "name": "p", "uid": uid}});
            PodIdentity::of(&serde_json::from_value(metadata).unwrap())
        };
        assert_eq!(identity("0d9f-1").unwrap().to_string(), "n/p");
        for uid in ["", "..", "../x", "a/b", ".hidden"] {
            assert!(identity(uid).is_none(), "{uid:?}");
        }
    }
}
