//! Keeps the `Available` condition of every `APIService` true to what is.
//!
//! Each one is asked for its discovery document soon after it was created or changed, then every
//! [`PERIOD`], or every [`RETRY`] while it does not answer. Unlike kube-aggregator's check this
//! one verifies the certificate as requests do: what it calls available can be used.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use futures::future::join_all;
use http::{Request, header};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

use super::Aggregator;
use super::proxy::set_user;
use super::registration::{Backend, COLLECTION, Registration, generation};
use crate::auth::User;
use crate::error::ApiError;
use crate::lifecycle::{self, Part, Target};
use crate::object::{self, items, text};
use crate::store::{Change, ChangeKind, Cursor, Start};

/// Time between two checks of servers that answer.
const PERIOD: Duration = Duration::from_secs(5);
/// Time between two checks while some server does not answer.
const RETRY: Duration = Duration::from_secs(1);
/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(5);
/// Servers asked at once.
const CONCURRENCY: usize = 8;

/// What a check found: the condition without its time.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    available: bool,
    reason: &'static str,
    message: String,
}

impl Finding {
    fn available(reason: &'static str, message: &str) -> Self {
        Self {
            available: true,
            reason,
            message: message.to_owned(),
        }
    }

    fn unavailable(reason: &'static str, message: String) -> Self {
        Self {
            available: false,
            reason,
            message,
        }
    }
}

impl Aggregator {
    /// Checks until the server stops.
    pub(crate) async fn watch_availability(self: Arc<Self>) {
        let stopping = self.api.stopping.clone();
        tokio::select! {
            () = self.check_forever() => {}
            () = stopping.cancelled() => {}
        }
    }

    async fn check_forever(&self) {
        let mut changes = None;
        loop {
            // The watch begins before the objects are read, so no change falls in between.
            if changes.is_none() {
                changes = self
                    .api
                    .store
                    .watch(COLLECTION, Start::After(self.api.store.revision()))
                    .ok();
            }
            let all = Registration::all(&self.api.store);
            let mut available = true;
            for some in all.chunks(CONCURRENCY) {
                let checks = some.iter().map(|one| self.check_one(one));
                available &= join_all(checks).await.into_iter().all(|one| one);
            }
            let again = Instant::now() + if available { PERIOD } else { RETRY };
            tokio::select! {
                lost = changed(changes.as_mut()) => if lost.is_err() { changes = None },
                () = self.check.notified() => {}
                () = sleep_until(again), if !all.is_empty() => {}
            }
        }
    }

    /// Checks one registration and states what was found; whether it is available.
    async fn check_one(&self, registration: &Registration) -> bool {
        let finding = match &registration.backend {
            None => Finding::available("Local", "Local APIServices are always available"),
            Some(_) if registration.is_shadowed(&self.api) => Finding::unavailable(
                "ServedLocally",
                format!(
                    "this server serves {}/{} itself and does not ask the service",
                    registration.group, registration.version
                ),
            ),
            Some(backend) => self.ask(registration, backend).await,
        };
        let available = finding.available;
        match self.state(registration, &finding) {
            // Deleted meanwhile.
            Ok(()) | Err(ApiError::NotFound { .. }) => {}
            Err(error) => {
                warn!(%error, name = registration.name(), "cannot state the availability")
            }
        }
        available
    }

    /// Asks the extension server for what every one must serve.
    async fn ask(&self, registration: &Registration, backend: &Backend) -> Finding {
        let path = format!("/apis/{}/{}", registration.group, registration.version);
        let request = Request::builder()
            .uri(&path)
            .header(header::HOST, backend.service.host())
            .header(header::ACCEPT, "application/json")
            .body(Body::empty());
        let mut request = match request {
            Ok(request) => request,
            Err(error) => return Finding::unavailable("FailedDiscoveryCheck", error.to_string()),
        };
        set_user(request.headers_mut(), &User::AGGREGATOR);
        match self.exchange(backend, request, LIMIT).await {
            Ok(answer) if answer.status().is_success() => {
                Finding::available("Passed", "all checks passed")
            }
            Ok(answer) => Finding::unavailable(
                "FailedDiscoveryCheck",
                format!("bad status from {path}: {}", answer.status().as_u16()),
            ),
            Err(error) => Finding::unavailable(
                error.reason(),
                match error.reason() {
                    "FailedDiscoveryCheck" => {
                        format!("failing or missing response from {path}: {error}")
                    }
                    _ => error.to_string(),
                },
            ),
        }
    }

    /// Writes the condition, unless it says the same already.
    fn state(&self, registration: &Registration, finding: &Finding) -> Result<(), ApiError> {
        let resource = self
            .api
            .registry
            .find("apiregistration.k8s.io", "v1", "apiservices")
            .ok_or(ApiError::UnknownResource)?;
        let target = Target {
            resource,
            namespace: String::new(),
            name: registration.name(),
        };
        let now = object::timestamp(chrono::Utc::now());
        lifecycle::modify(&self.api, &target, Part::Status, false, |old| {
            Ok(with_condition(old, finding, &now))
        })?;
        if finding.available != registration.available {
            info!(
                name = target.name,
                available = finding.available,
                reason = finding.reason,
                message = finding.message,
                "availability of an APIService changed"
            );
        }
        Ok(())
    }
}

/// Waits for a change of a registration itself. Changes of its status are ours.
async fn changed(changes: Option<&mut Cursor>) -> Result<(), ApiError> {
    let Some(changes) = changes else {
        tokio::time::sleep(RETRY).await;
        return Ok(());
    };
    while !concerns_spec(changes.next().await?.as_ref()) {}
    Ok(())
}

fn concerns_spec(change: &Change) -> bool {
    change.kind != ChangeKind::Modified
        || change
            .previous
            .as_ref()
            .is_none_or(|old| generation(&old.value) != generation(&change.object.value))
}

/// The object with the finding as its only `Available` condition.
fn with_condition(object: &Value, finding: &Finding, now: &str) -> Value {
    let status = if finding.available { "True" } else { "False" };
    let is_ours = |one: &&Value| one["type"] == "Available";
    let conditions = items(object, "status.conditions");
    let since = conditions
        .iter()
        .find(is_ours)
        .filter(|old| old["status"] == status)
        .map_or(now, |old| text(old, "lastTransitionTime"));
    let mut new: Vec<Value> = conditions
        .iter()
        .filter(|one| !is_ours(one))
        .cloned()
        .collect();
    new.push(json!({
        "type": "Available",
        "status": status,
        "lastTransitionTime": since,
        "reason": finding.reason,
        "message": finding.message,
    }));
    let mut object = object.clone();
    object::child(&mut object, "status")["conditions"] = Value::Array(new);
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_change_with_the_status_only() {
        let failed = |why: &str| Finding::unavailable("FailedDiscoveryCheck", why.to_owned());
        let other = json!({"type": "Other", "status": "True"});
        let object = json!({"status": {"conditions": [other]}});
        let first = with_condition(&object, &failed("a"), "t1");
        let second = with_condition(&first, &failed("b"), "t2");
        let third = with_condition(&second, &Finding::available("Passed", "ok"), "t3");
        let condition = |object: &Value| object["status"]["conditions"][1].clone();
        assert_eq!(condition(&first)["lastTransitionTime"], "t1");
        assert_eq!(condition(&second)["lastTransitionTime"], "t1");
        assert_eq!(condition(&second)["message"], "b");
        assert_eq!(condition(&third)["lastTransitionTime"], "t3");
        assert_eq!(third["status"]["conditions"][0], other);
        assert_eq!(third["status"]["conditions"].as_array().unwrap().len(), 2);
    }
}
