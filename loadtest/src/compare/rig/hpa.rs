//! The HPA under test: its objects created, its metrics waited for.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use comparison::Scenario;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::api::ListParams;
use kube::{Api, Client};
use serde_json::json;

use super::{LABEL, MANAGER};
use crate::shop::apply;

/// How long metrics may take: cAdvisor, metrics-server and the HPA need up to a minute, a busy cluster longer.
const METRICS_DEADLINE: Duration = Duration::from_secs(120);

/// How often the HPA objects are looked at meanwhile.
const POLL: Duration = Duration::from_millis(500);

/// Creates the HPA of every scaled deployment; returns when each was there.
///
/// # Errors
/// Names the object that the API server refuses.
pub(super) async fn create(
    client: &Client,
    scenario: &Scenario,
) -> Result<BTreeMap<String, SystemTime>> {
    let mut created = BTreeMap::new();
    for mut object in scenario.hpa_objects() {
        object["metadata"]["labels"] = json!({LABEL: MANAGER});
        let object: kube::api::DynamicObject =
            serde_json::from_value(object).context("an HPA object has no kind")?;
        apply(client, &object).await?;
        let name = object.metadata.name.unwrap_or_default();
        created.insert(name, SystemTime::now());
    }
    Ok(created)
}

/// Waits until each HPA object shows the value of every metric that it is about; `check` may end the wait.
///
/// # Errors
/// What `check` says, or which objects have no metrics by the deadline, and what they say about it.
pub(super) async fn wait_for_metrics(
    client: &Client,
    scenario: &Scenario,
    mut check: impl FnMut() -> Result<()>,
) -> Result<()> {
    let api: Api<HorizontalPodAutoscaler> = Api::namespaced(client.clone(), &scenario.namespace);
    let deadline = tokio::time::Instant::now() + METRICS_DEADLINE;
    loop {
        check()?;
        let ours = ListParams::default().labels(&format!("{LABEL}={MANAGER}"));
        let objects = api.list(&ours).await.context("cannot list HPA objects")?;
        let silent: Vec<String> = objects.iter().filter_map(silence).collect();
        if silent.is_empty() && objects.items.len() == scenario.deployments.len() {
            return Ok(());
        }
        ensure!(
            tokio::time::Instant::now() < deadline,
            "the HPA has no metrics after {} s, so it cannot be compared: {}",
            METRICS_DEADLINE.as_secs(),
            silent.join("; ")
        );
        tokio::time::sleep(POLL).await;
    }
}

/// Why an object has not yet all its metrics; none when it has.
fn silence(object: &HorizontalPodAutoscaler) -> Option<String> {
    let name = object.metadata.name.as_deref().unwrap_or_default();
    let status = object.status.as_ref();
    let wanted = object.spec.metrics.as_ref().map_or(1, Vec::len);
    // A metric that failed has an entry without content.
    let measured = status
        .and_then(|status| status.current_metrics.as_deref())
        .unwrap_or_default()
        .iter()
        .filter(|metric| {
            metric.resource.is_some()
                || metric.container_resource.is_some()
                || metric.pods.is_some()
                || metric.object.is_some()
                || metric.external.is_some()
        })
        .count();
    if measured >= wanted {
        return None;
    }
    let conditions = status
        .and_then(|status| status.conditions.as_deref())
        .unwrap_or_default();
    let said = conditions
        .iter()
        .find(|condition| condition.status == "False")
        .and_then(|condition| condition.message.as_deref())
        .unwrap_or("no HPA controller has looked at it");
    Some(format!("{name}: {said}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(metrics: serde_json::Value) -> HorizontalPodAutoscaler {
        serde_json::from_value(json!({
            "metadata": {"name": "cart"},
            "spec": {"maxReplicas": 3, "scaleTargetRef": {"kind": "Deployment", "name": "cart"},
                "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization"}}},
                            {"type": "Resource", "resource": {"name": "memory", "target": {"type": "Utilization"}}}]},
            "status": {"desiredReplicas": 1, "currentMetrics": metrics, "conditions": [
                {"type": "ScalingActive", "status": "False", "reason": "FailedGetResourceMetric", "message": "no metrics returned"}]},
        }))
        .unwrap()
    }

    #[test]
    fn every_metric_must_have_a_value() {
        let metric = |name: &str| json!({"type": "Resource", "resource": {"name": name, "current": {"averageUtilization": 7}}});
        let half = object(json!([metric("cpu"), {"type": ""}]));
        assert_eq!(silence(&half).as_deref(), Some("cart: no metrics returned"));
        let whole = object(json!([metric("cpu"), metric("memory")]));
        assert_eq!(silence(&whole), None);
    }
}
