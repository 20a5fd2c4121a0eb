//! What is left after a node: nothing, however it ends.

use std::process::{Child, Command, Stdio};

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Node;
use kube::Api;
use local_node::{LockError, NodeError};
use serde_json::json;

use crate::support::{
    Cluster, TestNode, alive, condition, container, eventually, phase, pod_groups, processes,
    trees, uid,
};

/// A node in a process of its own, which a test can kill.
struct NodeProcess(Child, &'static str);

impl NodeProcess {
    fn start(cluster: &Cluster, name: &'static str) -> Self {
        let run_dir = cluster.directory.path().join(name);
        let child = Command::new(env!("CARGO_BIN_EXE_local-node"))
            .arg(&cluster.kubeconfig)
            .arg(name)
            .arg(run_dir)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(child, name)
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        // A failed test leaves nothing behind either. Errors: somebody else has cleaned up already.
        let _ = self.0.kill();
        let _ = self.0.wait();
        let _ = local_node::sweep(self.1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_node_takes_its_pods_along_and_the_next_start_sweeps() {
    const NODE: &str = "test-killed";
    let cluster = Cluster::start().await;
    let mut process = NodeProcess::start(&cluster, NODE);
    // The child of the shell has no parent-death signal of its own.
    let script = "sleep 1000 & exec sleep 2000";
    cluster
        .create_pod(NODE, "victim", json!({"command": ["sh", "-c", script]}))
        .await;
    let pod = cluster
        .pod_when("victim", "running", |pod| phase(pod) == "Running")
        .await;
    let id = container(&pod).unwrap().container_id.clone().unwrap();
    let groups = pod_groups(NODE, "besteffort", uid(&pod));
    let group = groups[0].join(id.strip_prefix("viperscale://").unwrap());
    let pids = eventually("both processes running", async || {
        let pids = processes(&group);
        (pids.len() == 2).then_some(pids)
    })
    .await;

    match local_node::sweep(NODE) {
        Err(NodeError::Lock(LockError::Held { pid, .. })) => {
            assert_eq!(pid, process.0.id().to_string());
        }
        other => panic!("swept a living node: {other:?}"),
    }
    assert!(pids.iter().all(|pid| alive(*pid)));

    process.0.kill().unwrap();
    process.0.wait().unwrap();
    eventually("the container's process gone", async || {
        (processes(&group).len() < 2).then_some(())
    })
    .await;
    assert!(!trees(NODE).is_empty(), "a killed node cannot clean up");

    let node = TestNode::start(&cluster, NODE, 27).await;
    eventually("the old container gone", async || {
        (!group.exists() && pids.iter().all(|pid| !alive(*pid))).then_some(())
    })
    .await;
    let again = cluster
        .pod_when("victim", "running again", |pod| {
            container(pod).is_some_and(|c| c.restart_count == 1) && condition(pod, "Ready")
        })
        .await;
    assert_eq!(uid(&again), uid(&pod));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_node_leaves_neither_objects_nor_cgroups() {
    const NODE: &str = "test-stopped";
    let cluster = Cluster::start().await;
    let node = TestNode::start(&cluster, NODE, 28).await;
    let (nodes, leases) = (
        Api::<Node>::all(cluster.client.clone()),
        Api::<Lease>::namespaced(cluster.client.clone(), "kube-node-lease"),
    );
    let object = eventually("node registered", async || {
        nodes.get_opt(NODE).await.unwrap()
    })
    .await;
    assert_eq!(
        object.metadata.labels.unwrap()["kubernetes.io/hostname"],
        NODE
    );
    eventually("lease made", async || leases.get_opt(NODE).await.unwrap()).await;
    eventually("node ready", async || {
        let status = nodes.get(NODE).await.unwrap().status?;
        status
            .conditions?
            .iter()
            .any(|c| c.type_ == "Ready" && c.status == "True")
            .then_some(())
    })
    .await;
    cluster
        .create_pod(NODE, "sleeper", json!({"command": ["sleep", "1000"]}))
        .await;
    cluster
        .pod_when("sleeper", "running", |pod| phase(pod) == "Running")
        .await;
    node.stop().await;
    assert!(nodes.get_opt(NODE).await.unwrap().is_none());
    assert!(leases.get_opt(NODE).await.unwrap().is_none());
    let pod = cluster
        .pod_when("sleeper", "failed", |pod| phase(pod) == "Failed")
        .await;
    assert_eq!(pod.status.unwrap().reason.as_deref(), Some("Terminated"));
}
