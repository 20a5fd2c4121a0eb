//! DELETE of an object or a collection.

use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::{Call, json_bytes};
use crate::error::ApiError;
use crate::lifecycle::{self, DeleteOptions, Deleted, Target};
use crate::object;

/// The options of a request: in its body, or as query parameters.
fn options(call: &Call) -> Result<DeleteOptions, ApiError> {
    let mut options = if call.body.is_empty() {
        DeleteOptions::default()
    } else {
        serde_json::from_slice(&call.body)
            .map_err(|error| ApiError::BadRequest(format!("invalid DeleteOptions: {error}")))?
    };
    options.grace_period_seconds = options
        .grace_period_seconds
        .or(call.params.grace_period_seconds);
    if options.propagation_policy.is_none() {
        options
            .propagation_policy
            .clone_from(&call.params.propagation_policy);
    }
    if call.params.is_dry_run() {
        options.dry_run = vec![call.params.dry_run.clone()];
    }
    Ok(options)
}

/// Deletes one object: a `Status` when it is gone, the object while something holds it back.
pub(super) fn one(call: Call) -> Result<Response, ApiError> {
    let deleted = lifecycle::delete(&call.api, &call.target, &options(&call)?)?;
    Ok(match deleted {
        Deleted::Pending(stored) => json_bytes(StatusCode::OK, call.renderer().object(&stored)),
        Deleted::Removed(last) => {
            let resource = &call.target.resource;
            let details = json!({
                "name": call.target.name,
                "group": resource.group,
                "kind": resource.plural,
                "uid": object::at(&last.value, "metadata.uid"),
            });
            json_bytes(StatusCode::OK, success(Some(details)).to_string())
        }
    })
}

/// Deletes what the selectors match; answers with the objects as they were.
pub(super) fn collection(call: Call) -> Result<Response, ApiError> {
    let options = options(&call)?;
    let filter = call.params.filter(&call.target)?;
    let page = call
        .api
        .store
        .list(&call.target.resource.collection(), &filter, 0, None);
    for stored in &page.objects {
        let target = Target {
            resource: call.target.resource.clone(),
            namespace: object::namespace(&stored.value).to_owned(),
            name: object::name(&stored.value).to_owned(),
        };
        match lifecycle::delete(&call.api, &target, &options) {
            // Gone meanwhile: what was wanted.
            Ok(_) | Err(ApiError::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    let metadata = json!({"resourceVersion": call.api.store.revision().to_string()});
    Ok(json_bytes(
        StatusCode::OK,
        call.renderer().list(&page.objects, metadata),
    ))
}

/// A `Status` of success.
pub(super) fn success(details: Option<Value>) -> Value {
    let mut status =
        json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"});
    object::put(&mut status, "details", details);
    status
}
