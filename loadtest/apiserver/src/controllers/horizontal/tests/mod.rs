//! The controller against the real API server, with a short period. Readings are injected as objects
//! of a custom resource that stands where a metrics server would: the controller cannot tell.

mod support;

use std::time::{Duration, Instant};

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};
use stock_hpa::reconcile::WriteAnswer;

use super::target::Target;
use support::{Cluster, eventually};

const PERIOD: Duration = Duration::from_millis(150);

fn cpu(percent: i32) -> Value {
    json!([{"type": "Resource", "resource": {"name": "cpu",
            "target": {"type": "Utilization", "averageUtilization": percent}}}])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saturated_target_is_scaled_and_everything_says_so() {
    let cluster = Cluster::start(Duration::from_millis(600)).await;
    cluster.workload("web", 1).await;
    cluster.metrics_api().await;
    cluster.reading("web", "200m").await;
    let created = Instant::now();
    cluster.autoscaler("web", "web", cpu(50)).await;
    eventually("the target is scaled", || async {
        let replicas = cluster.replicas("web").await;
        if replicas == 4 { Ok(()) } else { Err(replicas) }
    })
    .await;
    assert!(
        created.elapsed() >= Duration::from_millis(600),
        "only after a period"
    );

    let condition = cluster.condition("web", "SucceededRescale").await;
    assert_eq!(
        (condition.type_.as_str(), condition.status.as_str()),
        ("AbleToScale", "True")
    );
    let condition = cluster.condition("web", "ValidMetricFound").await;
    assert_eq!(
        (condition.type_.as_str(), condition.status.as_str()),
        ("ScalingActive", "True")
    );
    let status = cluster.status("web").await;
    assert_eq!(
        (status.current_replicas, status.desired_replicas),
        (Some(1), 4)
    );
    assert!(status.last_scale_time.is_some());
    let current = serde_json::to_value(status.current_metrics).unwrap();
    let expected = json!({"averageUtilization": 200, "averageValue": "200m"});
    assert_eq!(current[0]["resource"]["current"], expected);

    let event = cluster.event("SuccessfulRescale", 1).await;
    assert_eq!(
        event.message.as_deref(),
        Some("New size: 4; reason: cpu resource utilization (percentage of request) above target")
    );
    assert_eq!(event.type_.as_deref(), Some("Normal"));
    assert_eq!(
        event.source.unwrap().component.as_deref(),
        Some("horizontal-pod-autoscaler")
    );
    assert_eq!(
        event.involved_object.kind.as_deref(),
        Some("HorizontalPodAutoscaler")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_metrics_it_says_why_and_goes_on_when_they_come() {
    let cluster = Cluster::start(PERIOD).await;
    cluster.workload("web", 2).await;
    cluster.autoscaler("web", "web", cpu(50)).await;
    let message = "failed to get cpu utilization: unable to get metrics for resource cpu: unable \
                   to fetch metrics from resource metrics API: the server could not find the \
                   requested resource (get pods.metrics.k8s.io)";
    let event = cluster.event("FailedGetResourceMetric", 3).await;
    assert_eq!(event.message.as_deref(), Some(message));
    assert!(event.first_timestamp <= event.last_timestamp);
    let event = cluster.event("FailedComputeMetricsReplicas", 3).await;
    let start = "invalid metrics (1 invalid out of 1), first error is: failed to get cpu resource";
    assert!(event.message.unwrap().starts_with(start));
    let condition = cluster.condition("web", "FailedGetResourceMetric").await;
    assert_eq!(
        (condition.type_.as_str(), condition.status.as_str()),
        ("ScalingActive", "False")
    );
    assert_eq!(cluster.replicas("web").await, 2);

    cluster.metrics_api().await;
    cluster.condition("web", "FailedGetResourceMetric").await;
    eventually("an API without metrics says so", || async {
        let condition = cluster.condition("web", "FailedGetResourceMetric").await;
        let message = condition.message.unwrap();
        let end = "no metrics returned from resource metrics API";
        if message.ends_with(end) {
            Ok(())
        } else {
            Err(message)
        }
    })
    .await;
    // Two pods were asked for and one is there: its 50m are 50 %, at the target.
    cluster.reading("web", "50m").await;
    cluster.condition("web", "ValidMetricFound").await;
    assert_eq!(cluster.replicas("web").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_that_need_an_adapter_fail_as_without_one() {
    let cluster = Cluster::start(PERIOD).await;
    cluster.workload("web", 1).await;
    let queue = json!([{"type": "External", "external": {"metric": {"name": "queue"},
                        "target": {"type": "AverageValue", "averageValue": "30"}}}]);
    cluster.autoscaler("external", "web", queue).await;
    let event = cluster.event("FailedGetExternalMetric", 1).await;
    assert_eq!(
        event.message.as_deref(),
        Some(
            "unable to get external metric default/queue/nil: unable to fetch metrics from external \
             metrics API: the server could not find the requested resource (get \
             queue.external.metrics.k8s.io)"
        )
    );
    let requests = json!([{"type": "Pods", "pods": {"metric": {"name": "requests"},
                           "target": {"type": "AverageValue", "averageValue": "30"}}}]);
    cluster.workload("other", 1).await;
    cluster.autoscaler("custom", "other", requests).await;
    let event = cluster.event("FailedGetPodsMetric", 1).await;
    assert_eq!(
        event.message.as_deref(),
        Some(
            "unable to get metric requests: unable to fetch metrics from custom metrics API: no \
             custom metrics API (custom.metrics.k8s.io) registered"
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_autoscalers_of_the_same_pods_do_nothing() {
    let cluster = Cluster::start(PERIOD).await;
    cluster.workload("web", 1).await;
    cluster.metrics_api().await;
    cluster.reading("web", "50m").await;
    cluster.autoscaler("one", "web", cpu(50)).await;
    cluster.condition("one", "ValidMetricFound").await;
    cluster.autoscaler("two", "web", cpu(50)).await;
    let condition = cluster.condition("two", "AmbiguousSelector").await;
    assert_eq!(
        condition.message.as_deref(),
        Some("pods by selector app=web are controlled by multiple HPAs: [default/two default/one]")
    );
    cluster.condition("one", "AmbiguousSelector").await;
    cluster.reading("web", "200m").await;
    let autoscalers = cluster.api::<HorizontalPodAutoscaler>();
    autoscalers
        .delete("two", &DeleteParams::default())
        .await
        .unwrap();
    cluster.condition("one", "ValidMetricFound").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_target_is_named() {
    let cluster = Cluster::start(PERIOD).await;
    cluster.autoscaler("web", "web", cpu(50)).await;
    let event = cluster.event("FailedGetScale", 2).await;
    assert_eq!(
        event.message.as_deref(),
        Some("deployments.apps \"web\" not found")
    );
    let condition = cluster.condition("web", "FailedGetScale").await;
    assert_eq!(
        (condition.type_.as_str(), condition.status.as_str()),
        ("AbleToScale", "False")
    );

    let spec = json!({"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Windmill", "name": "w"},
                      "maxReplicas": 3});
    let windmill = json!({"metadata": {"name": "windmill"}, "spec": spec});
    cluster.create::<HorizontalPodAutoscaler>(windmill).await;
    eventually("the kind is named", || async {
        let condition = cluster.condition("windmill", "FailedGetScale").await;
        let message = condition.message.unwrap();
        let end = "no matches for kind \"Windmill\" in group \"apps\"";
        if message.ends_with(end) {
            Ok(())
        } else {
            Err(message)
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_autoscaler_leaves_no_history() {
    let cluster = Cluster::start(PERIOD).await;
    cluster.workload("web", 5).await;
    cluster.metrics_api().await;
    cluster.reading("web", "0").await;
    cluster.autoscaler("web", "web", cpu(50)).await;
    // What it found first holds back a scale-down for minutes.
    cluster.condition("web", "ScaleDownStabilized").await;
    let autoscalers = cluster.api::<HorizontalPodAutoscaler>();
    autoscalers
        .delete("web", &DeleteParams::default())
        .await
        .unwrap();
    tokio::time::sleep(PERIOD * 4).await;
    let two = Patch::Merge(json!({"spec": {"replicas": 2}}));
    let parameters = PatchParams::default();
    cluster
        .api::<Deployment>()
        .patch_scale("web", &parameters, &two)
        .await
        .unwrap();
    cluster.autoscaler("web", "web", cpu(50)).await;
    cluster.condition("web", "ScaleDownStabilized").await;
    tokio::time::sleep(PERIOD * 2).await;
    assert_eq!(cluster.replicas("web").await, 2, "5 was another one's");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_conflicts_is_tried_again_on_the_new_scale() {
    let cluster = Cluster::start(PERIOD).await;
    cluster.workload("web", 1).await;
    let reference = serde_json::from_value(
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}),
    );
    let target = Target::read(&cluster.client, "default", &reference.unwrap())
        .await
        .unwrap();
    assert_eq!(target.scale().selector, "app=web");
    let label = Patch::Merge(json!({"metadata": {"labels": {"touched": "yes"}}}));
    let parameters = PatchParams::default();
    cluster
        .api::<Deployment>()
        .patch("web", &parameters, &label)
        .await
        .unwrap();
    let writes = target.write(3).await;
    let answers: Vec<_> = writes.into_iter().map(|write| write.answer).collect();
    assert_eq!(answers, [WriteAnswer::Conflict, WriteAnswer::Ok]);
    assert_eq!(cluster.replicas("web").await, 3);
}
