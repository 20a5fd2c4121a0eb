//! Pods from start to end: order, environment, restarts, probes, termination.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use kube::api::{DeleteParams, PostParams};
use serde_json::json;

use crate::support::{
    Cluster, TestNode, condition, container, eventually, phase, pod_groups, processes, uid,
};

#[tokio::test(flavor = "multi_thread")]
async fn init_containers_run_in_order_and_see_their_environment() {
    const NODE: &str = "test-init";
    let cluster = Cluster::start().await;
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "redis-cart"},
        "spec": {"ports": [{"port": 6379}]},
    });
    let services = kube::Api::<k8s_openapi::api::core::v1::Service>::default_namespaced(
        cluster.client.clone(),
    );
    services
        .create(
            &PostParams::default(),
            &serde_json::from_value(service).unwrap(),
        )
        .await
        .unwrap();
    let node = TestNode::start(&cluster, NODE, 23).await;
    let out = cluster.directory.path().join("out");
    let append = |name: &str, text: &str| {
        json!({
            "name": name, "image": "none",
            "command": ["sh", "-c", format!("echo {text} $(pwd) >> {}", out.display())],
            "workingDir": "/tmp",
            "env": [{"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
                    {"name": "ADDRESS", "value": "$(POD_IP):80"}],
        })
    };
    let spec = json!({
        "nodeName": NODE, "restartPolicy": "Never",
        "initContainers": [append("one", "first"), append("two", "second")],
        "containers": [append("main", "$ADDRESS $REDIS_CART_SERVICE_PORT")],
    });
    cluster.create_pod_spec("ordered", spec).await;
    let done = cluster
        .pod_when("ordered", "done", |pod| phase(pod) == "Succeeded")
        .await;
    assert!(condition(&done, "Initialized"));
    let ip = done.status.unwrap().pod_ip.unwrap();
    let text = std::fs::read_to_string(out).unwrap();
    assert_eq!(
        text,
        format!("first /tmp\nsecond /tmp\n{ip}:80 6379 /tmp\n")
    );
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_program_is_a_waiting_reason_and_a_crash_is_restarted_with_back_off() {
    const NODE: &str = "test-crash";
    let cluster = Cluster::start().await;
    let node = TestNode::start(&cluster, NODE, 24).await;
    cluster
        .create_pod(NODE, "missing", json!({"command": ["/no/such/program"]}))
        .await;
    cluster
        .create_pod(
            NODE,
            "crash",
            json!({"command": ["sh", "-c", "echo dying; exit 3"]}),
        )
        .await;

    let waiting = cluster
        .pod_when("missing", "waiting with a reason", |pod| {
            container(pod).is_some_and(|c| {
                let waiting = c.state.as_ref().and_then(|state| state.waiting.as_ref());
                waiting.is_some_and(|w| w.reason.as_deref() == Some("CreateContainerError"))
            })
        })
        .await;
    let state = container(&waiting)
        .unwrap()
        .state
        .clone()
        .unwrap()
        .waiting
        .unwrap();
    assert!(state.message.unwrap().contains("/no/such/program"));

    let crashed = cluster
        .pod_when("crash", "backing off", |pod| {
            container(pod).is_some_and(|c| {
                let waiting = c.state.as_ref().and_then(|state| state.waiting.as_ref());
                c.restart_count >= 2
                    && waiting.is_some_and(|w| w.reason.as_deref() == Some("CrashLoopBackOff"))
            })
        })
        .await;
    let last = container(&crashed)
        .unwrap()
        .last_state
        .clone()
        .unwrap()
        .terminated
        .unwrap();
    assert_eq!((last.exit_code, last.reason.as_deref()), (3, Some("Error")));
    let log = format!("pods/default_crash_{}/main/0.log", uid(&crashed));
    let log = cluster.directory.path().join(NODE).join(log);
    assert_eq!(std::fs::read_to_string(log).unwrap(), "dying\n");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_follows_the_probe_and_liveness_restarts() {
    const NODE: &str = "test-probes";
    let cluster = Cluster::start().await;
    let node = TestNode::start(&cluster, NODE, 25).await;
    let healthy = cluster.directory.path().join("healthy");
    std::fs::write(&healthy, "").unwrap();
    let probed = json!({
        "command": ["sleep", "1000"],
        "readinessProbe": {"tcpSocket": {"port": 18_080}, "periodSeconds": 1, "failureThreshold": 1},
        "livenessProbe": {
            "exec": {"command": ["test", "-e", healthy]}, "periodSeconds": 1, "failureThreshold": 1,
        },
    });
    cluster.create_pod(NODE, "probed", probed).await;
    let running = cluster
        .pod_when("probed", "running", |pod| phase(pod) == "Running")
        .await;
    assert!(!condition(&running, "Ready"), "nothing listens yet");

    // The test plays the server: the probe asks the pod's address, whoever answers there.
    let ip = running.status.unwrap().pod_ip.unwrap();
    let listener = TcpListener::bind((ip.as_str(), 18_080)).unwrap();
    let opened = Instant::now();
    cluster
        .pod_when("probed", "ready", |pod| condition(pod, "Ready"))
        .await;
    assert!(
        opened.elapsed() < Duration::from_millis(900),
        "the first success must not wait a period"
    );
    drop(listener);
    cluster
        .pod_when("probed", "unready", |pod| !condition(pod, "Ready"))
        .await;

    std::fs::remove_file(&healthy).unwrap();
    let restarted = cluster
        .pod_when("probed", "restarted", |pod| {
            container(pod).is_some_and(|c| c.restart_count > 0)
        })
        .await;
    let last = container(&restarted)
        .unwrap()
        .last_state
        .clone()
        .unwrap()
        .terminated
        .unwrap();
    assert!(last.message.unwrap().starts_with("Liveness probe failed"));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deletion_terminates_first_and_kills_what_does_not_listen() {
    const NODE: &str = "test-delete";
    let cluster = Cluster::start().await;
    let node = TestNode::start(&cluster, NODE, 26).await;
    let note = cluster.directory.path().join("note");
    let polite = format!(
        "trap 'echo bye > {}; exit 0' TERM; while :; do sleep 0.05; done",
        note.display()
    );
    // It also leaves a child in a session of its own, which only the cgroup still knows.
    let stubborn = "trap '' TERM; setsid sleep 1000 & while :; do sleep 0.05; done";
    for (name, script) in [("polite", polite.as_str()), ("stubborn", stubborn)] {
        cluster
            .create_pod(NODE, name, json!({"command": ["sh", "-c", script]}))
            .await;
    }
    for (name, grace) in [("polite", 30), ("stubborn", 1)] {
        let pod = cluster
            .pod_when(name, "running", |pod| phase(pod) == "Running")
            .await;
        let groups = pod_groups(NODE, "besteffort", uid(&pod));
        let id = container(&pod).unwrap().container_id.clone().unwrap();
        let group = groups[0].join(id.strip_prefix("viperscale://").unwrap());
        // The shell has started its child, so it has also set its trap.
        let pids = eventually("children running", async || {
            let pids = processes(&group);
            (pids.len() >= 2).then_some(pids)
        })
        .await;
        let start = Instant::now();
        cluster
            .pods()
            .delete(name, &DeleteParams::default().grace_period(grace))
            .await
            .unwrap();
        eventually("object gone", async || {
            cluster
                .pods()
                .get_opt(name)
                .await
                .unwrap()
                .is_none()
                .then_some(())
        })
        .await;
        let elapsed = start.elapsed();
        assert!(
            groups.iter().all(|group| !group.exists()),
            "the object outlives the cgroup, never the reverse"
        );
        assert!(
            pids.iter().all(|pid| !crate::support::alive(*pid)),
            "{name}: {pids:?}"
        );
        if name == "stubborn" {
            assert!(
                elapsed >= Duration::from_secs(1),
                "grace was not given: {elapsed:?}"
            );
        } else {
            assert!(
                elapsed < Duration::from_secs(10),
                "SIGTERM was not sent: {elapsed:?}"
            );
        }
    }
    assert_eq!(std::fs::read_to_string(note).unwrap(), "bye\n");
    node.stop().await;
}
