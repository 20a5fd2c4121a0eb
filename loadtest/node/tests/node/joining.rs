//! Joining control planes that are not made for this node.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Node;
use kube::Api;
use kube::api::PostParams;
use local_node::{HOST_PROCESSES, NodeError};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::support::{Cluster, TestNode, condition, container, phase};

#[tokio::test(flavor = "multi_thread")]
async fn a_control_plane_that_does_not_answer_is_given_up() {
    let cluster = Cluster::start().await;
    let mut config = cluster.node_config("test-alone", 34).await;
    // A port that was free a moment ago, and that nobody listens on.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    config.kube.cluster_url = format!("https://{address}").parse().unwrap();
    config.wait = Some(Duration::from_millis(500));
    let start = Instant::now();
    match local_node::run(config, CancellationToken::new()).await {
        Err(error @ NodeError::Unreachable { .. }) => {
            assert!(error.to_string().contains(&address.to_string()), "{error}");
        }
        other => panic!("joined nothing: {other:?}"),
    }
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_node_of_that_name_is_not_taken_over() {
    let cluster = Cluster::start().await;
    let nodes: Api<Node> = Api::all(cluster.client.clone());
    let worker = json!({"metadata": {"name": "test-worker", "labels": {"role": "worker"}}});
    let worker: Node = serde_json::from_value(worker).unwrap();
    let made = nodes.create(&PostParams::default(), &worker).await.unwrap();
    let config = cluster.node_config("test-worker", 35).await;
    match local_node::run(config, CancellationToken::new()).await {
        Err(NodeError::NameTaken(name)) => assert_eq!(name, "test-worker"),
        other => panic!("took a worker's name: {other:?}"),
    }
    let left = nodes.get("test-worker").await.unwrap();
    assert_eq!(
        left.metadata.resource_version,
        made.metadata.resource_version
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_pods_that_mean_this_node_run_on_one_that_is_tainted() {
    const NODE: &str = "test-tainted";
    let cluster = Cluster::start().await;
    let mut config = cluster.node_config(NODE, 36).await;
    config.tainted = true;
    config.pod_cidr = "10.251.78.0/24".parse().unwrap();
    let node = TestNode::run(NODE, config);
    let pod = |tolerations: serde_json::Value| {
        json!({
            "nodeName": NODE, "tolerations": tolerations,
            "containers": [{"name": "main", "image": "none", "command": ["sleep", "1000"]}],
            "volumes": [{"name": "kube-api-access-abcde", "projected": {"sources": []}}],
        })
    };
    cluster
        .create_pod_spec("daemon", pod(json!([{"operator": "Exists"}])))
        .await;
    let meant = json!([{"key": HOST_PROCESSES, "operator": "Exists"}]);
    cluster.create_pod_spec("meant", pod(meant)).await;
    let running = cluster
        .pod_when("meant", "ready", |pod| condition(pod, "Ready"))
        .await;
    assert!(condition(&running, "PodReadyToStartContainers"));
    let ip = running.status.unwrap().pod_ip.unwrap();
    assert!(ip.starts_with("10.251.78."), "{ip}");
    assert!(
        std::net::TcpListener::bind((ip.as_str(), 0)).is_ok(),
        "its own address"
    );
    let refused = cluster
        .pod_when("daemon", "refused", |pod| {
            let waiting = container(pod).and_then(|c| c.state.as_ref()?.waiting.as_ref());
            waiting.is_some_and(|waiting| {
                let message = waiting.message.as_deref().unwrap_or_default();
                message.contains(HOST_PROCESSES)
            })
        })
        .await;
    assert_eq!(phase(&refused), "Pending");
    let nodes: Api<Node> = Api::all(cluster.client.clone());
    let spec = nodes.get(NODE).await.unwrap().spec.unwrap();
    assert_eq!(spec.pod_cidr.as_deref(), Some("10.251.78.0/24"));
    assert_eq!(spec.taints.unwrap()[0].key, HOST_PROCESSES);
    node.stop().await;
    assert!(
        std::net::TcpListener::bind((ip.as_str(), 0)).is_err(),
        "the route is left"
    );
}
