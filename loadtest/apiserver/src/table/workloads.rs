//! Tables of pods, deployments and replica sets.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::format::{age, containers, pairs, text_or};
use super::{AGE, Column, NAME};
use crate::object::{self, at, integer, is_deleting, items, text};

pub(super) const POD: &[Column] = &[
    NAME,
    ("Ready", "string", 0),
    ("Status", "string", 0),
    ("Restarts", "string", 0),
    AGE,
    ("IP", "string", 1),
    ("Node", "string", 1),
    ("Nominated Node", "string", 1),
    ("Readiness Gates", "string", 1),
];

pub(super) fn pod(value: &Value, now: DateTime<Utc>) -> Vec<Value> {
    let statuses = items(value, "status.containerStatuses");
    let ready = statuses
        .iter()
        .filter(|status| status["ready"] == true)
        .count();
    let total = items(value, "spec.containers").len();
    let restarts: i64 = statuses
        .iter()
        .map(|status| integer(status, "restartCount"))
        .sum();
    vec![
        json!(object::name(value)),
        json!(format!("{ready}/{total}")),
        json!(pod_status(value)),
        json!(restarts.to_string()),
        json!(age(value, now)),
        json!(text_or(value, "status.podIP", "<none>")),
        json!(text_or(value, "spec.nodeName", "<none>")),
        json!(text_or(value, "status.nominatedNodeName", "<none>")),
        json!("<none>"),
    ]
}

/// The most telling word: a container's reason before the phase, `Terminating` before all.
fn pod_status(value: &Value) -> String {
    if is_deleting(value) {
        return "Terminating".to_owned();
    }
    let reason = items(value, "status.containerStatuses")
        .iter()
        .rev()
        .find_map(|status| {
            let state = &status["state"];
            let reason = ["waiting", "terminated"]
                .iter()
                .map(|kind| text(&state[*kind], "reason"))
                .find(|reason| !reason.is_empty());
            reason.map(str::to_owned).or_else(|| {
                let terminated = state["terminated"].as_object()?;
                Some(format!(
                    "ExitCode:{}",
                    terminated.get("exitCode").unwrap_or(&Value::Null)
                ))
            })
        });
    reason.unwrap_or_else(|| {
        let reason = text(value, "status.reason");
        if reason.is_empty() {
            text_or(value, "status.phase", "Unknown")
        } else {
            reason.to_owned()
        }
    })
}

pub(super) const DEPLOYMENT: &[Column] = &[
    NAME,
    ("Ready", "string", 0),
    ("Up-to-date", "string", 0),
    ("Available", "string", 0),
    AGE,
    ("Containers", "string", 1),
    ("Images", "string", 1),
    ("Selector", "string", 1),
];

pub(super) fn deployment(value: &Value, now: DateTime<Utc>) -> Vec<Value> {
    let template = at(value, "spec.template.spec");
    vec![
        json!(object::name(value)),
        json!(format!(
            "{}/{}",
            integer(value, "status.readyReplicas"),
            integer(value, "spec.replicas")
        )),
        json!(integer(value, "status.updatedReplicas").to_string()),
        json!(integer(value, "status.availableReplicas").to_string()),
        json!(age(value, now)),
        json!(containers(template, "name")),
        json!(containers(template, "image")),
        json!(pairs(at(value, "spec.selector.matchLabels"))),
    ]
}

pub(super) const REPLICA_SET: &[Column] = &[
    NAME,
    ("Desired", "integer", 0),
    ("Current", "integer", 0),
    ("Ready", "integer", 0),
    AGE,
    ("Containers", "string", 1),
    ("Images", "string", 1),
    ("Selector", "string", 1),
];

pub(super) fn replica_set(value: &Value, now: DateTime<Utc>) -> Vec<Value> {
    let template = at(value, "spec.template.spec");
    vec![
        json!(object::name(value)),
        json!(integer(value, "spec.replicas")),
        json!(integer(value, "status.replicas")),
        json!(integer(value, "status.readyReplicas")),
        json!(age(value, now)),
        json!(containers(template, "name")),
        json!(containers(template, "image")),
        json!(pairs(at(value, "spec.selector.matchLabels"))),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_show_the_most_telling_word() {
        let mut pod = json!({"status": {"phase": "Running"}});
        assert_eq!(pod_status(&pod), "Running");
        pod["status"]["containerStatuses"] =
            json!([{"state": {"waiting": {"reason": "CrashLoopBackOff"}}}]);
        assert_eq!(pod_status(&pod), "CrashLoopBackOff");
        pod["metadata"] = json!({"deletionTimestamp": "2026-01-01T00:00:00Z"});
        assert_eq!(pod_status(&pod), "Terminating");
    }
}
