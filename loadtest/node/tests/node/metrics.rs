//! The metrics chain end to end: real processes, the real server, a front proxy's certificate.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use serde_json::json;

use crate::front_proxy::{FrontProxy, Identity};
use crate::support::{Cluster, TestNode, eventually, phase};

const PODS: &str = "/apis/metrics.k8s.io/v1beta1/pods";
/// Two looks of 10 to 20 s each and a poll of 15 s, and a busy machine.
const CHAIN: Duration = Duration::from_secs(75);

fn api_services(cluster: &Cluster) -> Api<APIService> {
    Api::all(cluster.client.clone())
}

async fn registered(cluster: &Cluster, node: &str) -> APIService {
    let api = api_services(cluster);
    eventually("metrics registered", async || {
        let found = api.get_opt("v1beta1.metrics.k8s.io").await.unwrap()?;
        let labels = found.metadata.labels.as_ref()?;
        (labels.get("viperscale.dev/node-metrics")? == node).then_some(found)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_pod_burns_is_what_an_autoscaler_reads() {
    const NODE: &str = "test-metrics";
    let cluster = Cluster::start().await;
    let proxy = FrontProxy::install(&cluster).await;
    let node = TestNode::start(&cluster, NODE, 31).await;
    let spin = json!({
        "command": ["sh", "-c", "while :; do :; done"],
        "resources": {"requests": {"cpu": "100m"}, "limits": {"cpu": "200m", "memory": "64Mi"}},
    });
    cluster.create_pod(NODE, "spin", spin).await;
    cluster
        .create_pod(NODE, "sleep", json!({"command": ["sleep", "1000"]}))
        .await;
    cluster
        .pod_when("spin", "running", |pod| phase(pod) == "Running")
        .await;
    let api_service = registered(&cluster, NODE).await;
    let as_proxy = proxy.connect(&api_service, Identity::FrontProxy);

    let (code, status) = as_proxy
        .get("/apis/metrics.k8s.io/v1beta1/namespaces/default/pods/spin")
        .await;
    assert_eq!(
        (code, status["kind"].as_str()),
        (404, Some("Status")),
        "no metrics yet"
    );
    // A container is listed after its first sample, and the pods start one by one.
    let schedule = eventually("both containers sampled", async || {
        let (_, schedule) = as_proxy.get("/apis/metrics.k8s.io/v1beta1/schedule").await;
        (schedule["containers"].as_array()?.len() == 2).then_some(schedule)
    })
    .await;
    assert!(
        (0..=15_000).contains(&schedule["next_poll_ms"].as_i64().unwrap()),
        "{schedule}"
    );
    for look in schedule["containers"].as_array().unwrap() {
        let next = look["next_sample_in_ms"].as_i64().unwrap();
        let age = look["last_sample_age_ms"].as_i64().unwrap();
        assert!((10_000..=20_000).contains(&(next + age)), "{look}");
    }

    let start = Instant::now();
    let items = loop {
        let (code, list) = as_proxy.get(PODS).await;
        assert_eq!(code, 200);
        let items = list["items"].as_array().unwrap().clone();
        if items.len() == 2 {
            break items;
        }
        assert!(start.elapsed() < CHAIN, "no metrics: {list}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    assert_eq!(items[1]["metadata"]["name"], "spin", "ordered by name");
    let usage = &items[1]["containers"][0]["usage"];
    let cpu: stock_hpa::Quantity = usage["cpu"].as_str().unwrap().parse().unwrap();
    assert!((150..=210).contains(&cpu.milli), "limit 200m, read {usage}");
    let memory: stock_hpa::Quantity = usage["memory"].as_str().unwrap().parse().unwrap();
    assert!(
        (4 << 10..64 << 20).contains(&(memory.milli / 1_000)),
        "{usage}"
    );

    let one = format!("{PODS}?labelSelector=app%3Dnobody");
    assert_eq!(as_proxy.get(&one).await.1["items"], json!([]));
    let (code, pod) = as_proxy
        .get("/apis/metrics.k8s.io/v1beta1/namespaces/default/pods/spin")
        .await;
    assert_eq!((code, pod["kind"].as_str()), (200, Some("PodMetrics")));
    let node_usage = eventually("node metrics", async || {
        let (_, nodes) = as_proxy.get("/apis/metrics.k8s.io/v1beta1/nodes").await;
        let node = nodes["items"].as_array().unwrap().first().cloned()?;
        assert_eq!(node["metadata"]["name"], NODE, "{nodes}");
        Some(node["usage"].clone())
    })
    .await;
    let cpu: stock_hpa::Quantity = node_usage["cpu"].as_str().unwrap().parse().unwrap();
    assert!(cpu.milli >= 150, "the pod is on this machine: {node_usage}");
    node.stop().await;
    assert!(
        api_services(&cluster)
            .get_opt("v1beta1.metrics.k8s.io")
            .await
            .unwrap()
            .is_none()
    );
    let services: Api<Service> = Api::namespaced(cluster.client.clone(), "kube-system");
    assert!(
        services
            .get_opt("viperscale-node-metrics")
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_front_proxy_is_answered() {
    const NODE: &str = "test-strangers";
    let cluster = Cluster::start().await;
    let proxy = FrontProxy::install(&cluster).await;
    let node = TestNode::start(&cluster, NODE, 32).await;
    let api_service = registered(&cluster, NODE).await;
    let ready = proxy.connect(&api_service, Identity::None);
    eventually("authority known", async || {
        (ready.get("/readyz").await.0 == 200).then_some(())
    })
    .await;
    for (who, code) in [
        (Identity::FrontProxy, 200),
        (Identity::None, 401),
        (Identity::OtherAuthority, 401),
        (Identity::OtherName, 403),
    ] {
        let client = proxy.connect(&api_service, who);
        let (answered, body) = client.get(PODS).await;
        assert_eq!(answered, code, "{who:?}: {body}");
        assert_eq!(client.get("/livez").await.0, 200, "{who:?}");
    }
    let anonymous = proxy
        .connect(&api_service, Identity::FrontProxy)
        .without_user();
    assert_eq!(anonymous.get(PODS).await.0, 401, "nobody asks");

    // The authority changes while the node runs.
    let next = FrontProxy::install(&cluster).await;
    let renewed = next.connect(&api_service, Identity::FrontProxy);
    eventually("new authority trusted", async || {
        (renewed.get(PODS).await.0 == 200).then_some(())
    })
    .await;
    let old = proxy.connect(&api_service, Identity::FrontProxy);
    assert_eq!(old.get(PODS).await.0, 401);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_else_s_metrics_are_left_alone_and_a_dead_node_s_are_taken_over() {
    const NODE: &str = "test-holders";
    let cluster = Cluster::start().await;
    let api = api_services(&cluster);
    let object = |labels: serde_json::Value| -> APIService {
        serde_json::from_value(json!({
            "metadata": {"name": "v1beta1.metrics.k8s.io", "labels": labels},
            "spec": {
                "group": "metrics.k8s.io", "version": "v1beta1", "insecureSkipTLSVerify": true,
                "groupPriorityMinimum": 100, "versionPriority": 100,
                "service": {"namespace": "kube-system", "name": "metrics-server"},
            },
        }))
        .unwrap()
    };
    let foreign = object(json!({"k8s-app": "metrics-server"}));
    let made = api.create(&PostParams::default(), &foreign).await.unwrap();
    let node = TestNode::start(&cluster, NODE, 33).await;
    let nodes: Api<k8s_openapi::api::core::v1::Node> = Api::all(cluster.client.clone());
    eventually("node registered", async || {
        nodes.get_opt(NODE).await.unwrap()
    })
    .await;
    node.stop().await;
    let left = api.get("v1beta1.metrics.k8s.io").await.unwrap();
    assert_eq!(left.metadata.uid, made.metadata.uid);
    assert_eq!(left.spec, made.spec);

    // The same, but of a killed node of ours: of this name, and of another, which has no lease.
    let params = DeleteParams::default();
    for killed in [NODE, "test-dead"] {
        api.delete("v1beta1.metrics.k8s.io", &params).await.unwrap();
        let stale = object(json!({"viperscale.dev/node-metrics": killed}));
        api.create(&PostParams::default(), &stale).await.unwrap();
        let node = TestNode::start(&cluster, NODE, 33).await;
        eventually("registration replaced", async || {
            let found = registered(&cluster, NODE).await;
            found.spec.unwrap().ca_bundle
        })
        .await;
        node.stop().await;
        assert!(
            api.get_opt("v1beta1.metrics.k8s.io")
                .await
                .unwrap()
                .is_none()
        );
        let empty = object(json!({}));
        api.create(&PostParams::default(), &empty).await.unwrap();
    }
}
