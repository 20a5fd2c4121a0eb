//! Query parameters.

use axum::extract::Query;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Uri;
use serde::{Deserialize, Serialize};

use crate::error::ApiError;
use crate::lifecycle::Target;
use crate::selector::{FieldSelector, Filter, LabelSelector};

/// The query of a request; unknown parameters (`pretty`, ...) are ignored.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Params {
    pub(super) label_selector: String,
    pub(super) field_selector: String,
    pub(super) limit: Option<usize>,
    #[serde(rename = "continue")]
    pub(super) continue_token: String,
    pub(super) resource_version: String,
    pub(super) resource_version_match: String,
    watch: String,
    allow_watch_bookmarks: String,
    send_initial_events: String,
    pub(super) timeout_seconds: Option<u64>,
    pub(super) dry_run: String,
    pub(super) field_manager: String,
    field_validation: String,
    pub(super) grace_period_seconds: Option<i64>,
    pub(super) propagation_policy: Option<String>,
    pub(super) include_object: String,
}

/// Where the next page of a list starts, as clients carry it in `continue`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Continue {
    /// Revision of the first page: a watch from there misses nothing of any page.
    pub(super) revision: u64,
    pub(super) namespace: String,
    pub(super) name: String,
}

impl Continue {
    pub(super) fn encode(&self) -> String {
        // Serialising three plain fields cannot fail.
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    fn decode(text: &str) -> Result<Self, ApiError> {
        URL_SAFE_NO_PAD
            .decode(text)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .ok_or_else(|| ApiError::BadRequest("continue key is not valid".to_owned()))
    }
}

impl Params {
    pub(super) fn parse(uri: &Uri) -> Result<Self, ApiError> {
        Query::<Self>::try_from_uri(uri)
            .map(|Query(params)| params)
            .map_err(|error| ApiError::BadRequest(format!("invalid query: {error}")))
    }

    pub(super) fn is_watch(&self) -> bool {
        truthy(&self.watch)
    }

    pub(super) fn wants_bookmarks(&self) -> bool {
        truthy(&self.allow_watch_bookmarks)
    }

    /// `None` when the client did not say.
    pub(super) fn initial_events(&self) -> Option<bool> {
        (!self.send_initial_events.is_empty()).then(|| truthy(&self.send_initial_events))
    }

    pub(super) fn is_dry_run(&self) -> bool {
        !self.dry_run.is_empty()
    }

    /// Whether fields that the schema does not know are refused instead of removed.
    pub(super) fn is_strict(&self) -> bool {
        self.field_validation == "Strict"
    }

    /// The requested resourceVersion; `None` when unset.
    pub(super) fn revision(&self) -> Result<Option<u64>, ApiError> {
        if self.resource_version.is_empty() {
            return Ok(None);
        }
        self.resource_version.parse().map(Some).map_err(|_| {
            ApiError::BadRequest(format!(
                "invalid resource version {:?}",
                self.resource_version
            ))
        })
    }

    pub(super) fn continuation(&self) -> Result<Option<Continue>, ApiError> {
        if self.continue_token.is_empty() {
            return Ok(None);
        }
        Continue::decode(&self.continue_token).map(Some)
    }

    /// What of the target's collection the client wants to see.
    pub(super) fn filter(&self, target: &Target) -> Result<Filter, ApiError> {
        let collection = target.resource.collection();
        let mut fields = self.field_selector.clone();
        if !target.name.is_empty() {
            fields = format!("metadata.name={},{fields}", target.name);
        }
        Ok(Filter {
            namespace: (!target.namespace.is_empty()).then(|| target.namespace.clone()),
            labels: self.label_selector.parse::<LabelSelector>()?,
            fields: FieldSelector::parse(&fields, &collection)?,
        })
    }
}

fn truthy(text: &str) -> bool {
    matches!(text, "true" | "1" | "True" | "t")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_of_real_clients() {
        let uri = "/api/v1/pods?watch=true&allowWatchBookmarks=true&timeoutSeconds=290&resourceVersion=7&labelSelector=a%3Db&pretty=x";
        let params = Params::parse(&uri.parse().unwrap()).unwrap();
        assert!(params.is_watch() && params.wants_bookmarks() && !params.is_dry_run());
        assert_eq!(params.initial_events(), None);
        assert_eq!(params.timeout_seconds, Some(290));
        assert_eq!(params.revision().unwrap(), Some(7));
        assert_eq!(params.label_selector, "a=b");
    }

    #[test]
    fn broken_values_are_refused() {
        for query in ["limit=x", "timeoutSeconds=-1"] {
            assert!(Params::parse(&format!("/api/v1/pods?{query}").parse().unwrap()).is_err());
        }
        let params = Params {
            continue_token: "!".into(),
            resource_version: "x".into(),
            ..Params::default()
        };
        assert!(params.continuation().is_err() && params.revision().is_err());
    }
}
