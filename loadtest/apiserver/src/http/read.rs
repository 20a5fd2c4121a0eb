//! GET of an object or a collection.

use http::StatusCode;
use serde_json::json;

use super::params::Continue;
use super::render::Renderer;
use super::{Call, json_bytes, watch};
use crate::error::ApiError;
use axum::response::Response;

impl Call {
    pub(super) fn renderer(&self) -> Renderer {
        Renderer {
            resource: self.target.resource.clone(),
            representation: self.representation,
            include_object: self.params.include_object.clone(),
        }
    }
}

/// One object.
pub(super) fn get(call: Call) -> Result<Response, ApiError> {
    if call.params.is_watch() {
        return watch::start(call);
    }
    let stored = call
        .api
        .store
        .get(&call.target.key())
        .ok_or_else(|| call.target.not_found())?;
    Ok(json_bytes(StatusCode::OK, call.renderer().object(&stored)))
}

/// A collection, page by page when the client sets a limit.
///
/// Later pages show the state of their own moment, under the resourceVersion of the first page: a
/// watch from there brings the copy of a client up to date.
pub(super) fn list(call: Call) -> Result<Response, ApiError> {
    if call.params.is_watch() {
        return watch::start(call);
    }
    check_version(&call)?;
    let filter = call.params.filter(&call.target)?;
    let continuation = call.params.continuation()?;
    let first_revision = continuation.as_ref().map(|token| token.revision);
    let after = continuation.map(|token| (token.namespace, token.name));
    let limit = call.params.limit.unwrap_or(0);
    let page = call
        .api
        .store
        .list(&call.target.resource.collection(), &filter, limit, after);
    let revision = first_revision.unwrap_or(page.revision);
    let mut metadata = json!({"resourceVersion": revision.to_string()});
    if let Some((namespace, name)) = page.next {
        metadata["continue"] = json!(
            Continue {
                revision,
                namespace,
                name
            }
            .encode()
        );
        if !filter.selects() {
            metadata["remainingItemCount"] = json!(page.remaining);
        }
    }
    Ok(json_bytes(
        StatusCode::OK,
        call.renderer().list(&page.objects, metadata),
    ))
}

/// Only the present state can be listed; it satisfies `NotOlderThan` any version of the past.
fn check_version(call: &Call) -> Result<(), ApiError> {
    let Some(requested) = call.params.revision()? else {
        return Ok(());
    };
    let current = call.api.store.revision();
    if requested > current {
        return Err(ApiError::FutureVersion { requested, current });
    }
    if call.params.resource_version_match == "Exact" && requested != current {
        return Err(ApiError::Expired(format!(
            "the provided resource version {requested} is no longer held; only the present state is"
        )));
    }
    Ok(())
}
