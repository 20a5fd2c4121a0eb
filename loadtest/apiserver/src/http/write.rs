//! POST, PUT and PATCH of objects and their subresources.

use axum::response::Response;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Call, delete, json_bytes, read};
use crate::error::ApiError;
use crate::lifecycle::{self, DeleteOptions, Part};
use crate::object;
use crate::patch::{Patch, record_manager};

impl Call {
    /// The body as an object.
    fn object(&self) -> Result<Value, ApiError> {
        let media_type = self
            .content_type
            .split(';')
            .next()
            .unwrap_or_default()
            .trim();
        let bad = |error: &dyn std::fmt::Display| {
            ApiError::BadRequest(format!("the body of the request is malformed: {error}"))
        };
        match media_type {
            "application/json" | "" => {
                serde_json::from_slice(&self.body).map_err(|error| bad(&error))
            }
            "application/yaml" => serde_yaml::from_slice(&self.body).map_err(|error| bad(&error)),
            other => Err(ApiError::UnsupportedMediaType(format!(
                "the body of the request was in an unknown format ({other:?}); accepted media \
                 types include: application/json, application/yaml (kubectl sends the objects of its \
                 imperative `create` commands as protobuf: use `kubectl apply -f` or `create -f`)"
            ))),
        }
    }
}

/// Refuses what pruning would remove without a word, for clients that ask for it (kubectl does).
fn strictly(call: &Call, object: Value) -> Result<Value, ApiError> {
    let resource = &call.target.resource;
    let Some(schema) = resource.schema.as_ref().filter(|_| call.params.is_strict()) else {
        return Ok(object);
    };
    let unknown: Vec<String> = schema
        .unknown_fields(&object)
        .iter()
        .map(|field| format!("unknown field {field:?}"))
        .collect();
    match unknown.is_empty() {
        true => Ok(object),
        false => Err(ApiError::BadRequest(format!(
            "{kind} in version {:?} cannot be handled as a {kind}: strict decoding error: {}",
            resource.version,
            unknown.join(", "),
            kind = resource.kind,
        ))),
    }
}

/// POST to a collection.
pub(super) fn create(call: Call) -> Result<Response, ApiError> {
    let body = strictly(&call, call.object()?)?;
    let stored = lifecycle::create(&call.api, &call.target, body, call.params.is_dry_run())?;
    Ok(json_bytes(
        StatusCode::CREATED,
        call.renderer().object(&stored),
    ))
}

/// PUT of an object.
pub(super) fn update(call: Call) -> Result<Response, ApiError> {
    put_part(&call, Part::Main)
}

fn put_part(call: &Call, part: Part) -> Result<Response, ApiError> {
    let body = strictly(call, call.object()?)?;
    let dry_run = call.params.is_dry_run();
    let stored = lifecycle::modify(&call.api, &call.target, part, dry_run, |_| Ok(body))?;
    Ok(json_bytes(StatusCode::OK, call.renderer().object(&stored)))
}

/// PATCH of an object.
pub(super) fn patch(call: Call) -> Result<Response, ApiError> {
    patch_part(&call, Part::Main)
}

fn patch_part(call: &Call, part: Part) -> Result<Response, ApiError> {
    let patch = parse_patch(call)?;
    let dry_run = call.params.is_dry_run();
    if let Patch::Apply(applied) = &patch {
        return apply(call, part, applied, &patch);
    }
    let stored = lifecycle::modify(&call.api, &call.target, part, dry_run, |object| {
        strictly(call, patch.patched(object)?)
    })?;
    Ok(json_bytes(StatusCode::OK, call.renderer().object(&stored)))
}

fn parse_patch(call: &Call) -> Result<Patch, ApiError> {
    let patch = Patch::parse(&call.content_type, &call.body)?;
    if matches!(patch, Patch::Strategic(_)) && call.target.resource.is_custom() {
        return Err(ApiError::UnsupportedMediaType(
            "strategic merge patches are not supported on custom resources; use \
             application/merge-patch+json"
                .to_owned(),
        ));
    }
    Ok(patch)
}

/// Server-side apply creates what does not exist.
fn apply(call: &Call, part: Part, applied: &Value, patch: &Patch) -> Result<Response, ApiError> {
    let manager = call.params.field_manager.as_str();
    if manager.is_empty() {
        return Err(ApiError::BadRequest(
            "fieldManager is required for apply patch".to_owned(),
        ));
    }
    let dry_run = call.params.is_dry_run();
    let subresource = (part == Part::Status).then_some("status");
    let now = object::timestamp(chrono::Utc::now());
    let record = |mut result: Value| {
        record_manager(&mut result, applied, manager, subresource, &now);
        result
    };
    let changed = lifecycle::modify(&call.api, &call.target, part, dry_run, |object| {
        strictly(call, patch.patched(object)?).map(record)
    });
    match changed {
        Err(ApiError::NotFound { .. }) if part == Part::Main => {
            let mut body = record(strictly(call, patch.patched(&json!({}))?)?);
            object::metadata(&mut body)["name"] = json!(call.target.name);
            let stored = lifecycle::create(&call.api, &call.target, body, dry_run)?;
            Ok(json_bytes(
                StatusCode::CREATED,
                call.renderer().object(&stored),
            ))
        }
        other => Ok(json_bytes(StatusCode::OK, call.renderer().object(&*other?))),
    }
}

/// A request on a subresource.
pub(super) fn subresource(
    method: &Method,
    subresource: &str,
    call: Call,
) -> Result<Response, ApiError> {
    let resource = &call.target.resource;
    match (subresource, method) {
        ("status", &Method::GET) if resource.status => read::get(call),
        ("status", &Method::PUT) if resource.status => put_part(&call, Part::Status),
        ("status", &Method::PATCH) if resource.status => patch_part(&call, Part::Status),
        ("scale", _) if resource.scale.is_some() => scale(method, &call),
        ("finalize", &Method::PUT) if resource.plural == "namespaces" => {
            put_part(&call, Part::Finalize)
        }
        ("binding", &Method::POST) if resource.collection() == "pods" => {
            let binding = call.object()?;
            lifecycle::bind(&call.api, &call.target, &binding, call.params.is_dry_run())?;
            Ok(json_bytes(
                StatusCode::CREATED,
                delete::success(None).to_string(),
            ))
        }
        ("eviction", &Method::POST) if resource.collection() == "pods" => {
            let eviction = call.object()?;
            let options: DeleteOptions =
                serde_json::from_value(eviction["deleteOptions"].clone()).unwrap_or_default();
            lifecycle::delete(&call.api, &call.target, &options)?;
            Ok(json_bytes(
                StatusCode::CREATED,
                delete::success(None).to_string(),
            ))
        }
        ("log", &Method::GET) if resource.collection() == "pods" => {
            call.api
                .store
                .get(&call.target.key())
                .ok_or_else(|| call.target.not_found())?;
            Err(ApiError::NotImplemented(
                "the local cluster does not serve container logs: the node writes them to files \
                 below the directory of the run"
                    .to_owned(),
            ))
        }
        ("status" | "scale" | "finalize" | "binding" | "eviction" | "log", _) => {
            Err(ApiError::MethodNotAllowed)
        }
        _ => Err(ApiError::UnknownResource),
    }
}

fn scale(method: &Method, call: &Call) -> Result<Response, ApiError> {
    let dry_run = call.params.is_dry_run();
    let scale = match *method {
        Method::GET => lifecycle::read_scale(&call.api, &call.target)?,
        Method::PUT => {
            let body = call.object()?;
            lifecycle::write_scale(&call.api, &call.target, dry_run, |_| Ok(body))?
        }
        Method::PATCH => {
            let patch = Patch::parse(&call.content_type, &call.body)?;
            lifecycle::write_scale(&call.api, &call.target, dry_run, |scale| {
                patch.patched(scale)
            })?
        }
        _ => return Err(ApiError::MethodNotAllowed),
    };
    Ok(json_bytes(StatusCode::OK, scale.to_string()))
}
