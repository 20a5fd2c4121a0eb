//! The `binding` subresource: how a scheduler gives a pod to a node.

use serde_json::{Value, json};

use super::{Target, put};
use crate::api::Api;
use crate::error::ApiError;
use crate::object::{self, text};

/// Sets `spec.nodeName` and the `PodScheduled` condition.
///
/// # Errors
/// `Conflict` when the pod is being deleted or has a node already.
pub(crate) fn bind(
    api: &Api,
    target: &Target,
    binding: &Value,
    dry_run: bool,
) -> Result<(), ApiError> {
    let node = text(binding, "target.name");
    if node.is_empty() {
        return Err(ApiError::BadRequest(
            "target.name: a binding must name a node".to_owned(),
        ));
    }
    let key = target.key();
    api.store.transact(dry_run, |tx| {
        let pod = tx.get(&key).ok_or_else(|| target.not_found())?;
        if object::is_deleting(&pod.value) {
            return Err(target.conflict(format!("pod {} is being deleted", target.name)));
        }
        let bound = text(&pod.value, "spec.nodeName");
        if !bound.is_empty() {
            return Err(target.conflict(format!(
                "pod {} is already assigned to node {bound:?}",
                target.name
            )));
        }
        let mut new = pod.value.clone();
        object::child(&mut new, "spec")["nodeName"] = json!(node);
        let status = object::child(&mut new, "status");
        let mut conditions: Vec<Value> = object::items(status, "conditions")
            .iter()
            .filter(|condition| condition["type"] != "PodScheduled")
            .cloned()
            .collect();
        conditions.push(json!({
            "type": "PodScheduled",
            "status": "True",
            "lastProbeTime": null,
            "lastTransitionTime": object::timestamp(chrono::Utc::now()),
        }));
        status["conditions"] = Value::Array(conditions);
        put(api, tx, &key, new);
        Ok(())
    })
}
