//! Cgroups: where processes are, and what their limits do.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{
    Cluster, DEADLINE, TestNode, condition, container, eventually, phase, pod_groups, processes,
    uid,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_runs_inside_its_cgroups_and_within_its_quota() {
    const NODE: &str = "test-quota";
    let cluster = Cluster::start().await;
    let node = TestNode::start(&cluster, NODE, 21).await;
    let spin = json!({
        "command": ["sh", "-c", "while :; do :; done"],
        "resources": {"requests": {"cpu": "100m"}, "limits": {"cpu": "200m", "memory": "64Mi"}},
    });
    let pod = cluster.create_pod(NODE, "spin", spin).await;
    let running = cluster.pod_when("spin", "ready", |pod| {
        phase(pod) == "Running" && condition(pod, "Ready")
    });
    let status = container(&running.await).unwrap().clone();
    let url = status.container_id.unwrap();
    let id = url.strip_prefix("viperscale://").unwrap();
    assert_eq!(id.len(), 64);

    // The same process is in the same place of every hierarchy.
    let groups: Vec<PathBuf> = pod_groups(NODE, "burstable", uid(&pod))
        .iter()
        .map(|group| group.join(id))
        .collect();
    assert!(!groups.is_empty());
    let pids = processes(&groups[0]);
    assert_eq!(pids.len(), 1);
    for group in &groups {
        assert_eq!(processes(group), pids, "{}", group.display());
    }
    let membership = std::fs::read_to_string(format!("/proc/{}/cgroup", pids[0])).unwrap();
    assert!(
        membership.lines().all(|line| line.ends_with(id)),
        "{membership}"
    );

    // 400 ms of CPU at a fifth of a CPU take 2 s; one period (100 ms) may come for free at either end.
    let usage = || cpu_usage(&groups);
    let (start, used) = (Instant::now(), usage());
    eventually("400 ms of CPU used", async || {
        (usage() - used >= Duration::from_millis(400)).then_some(())
    })
    .await;
    let elapsed = start.elapsed();
    assert!(
        elapsed >= Duration::from_millis(1_700),
        "quota not enforced: {elapsed:?}"
    );
    assert!(elapsed < DEADLINE);
    assert!(throttled_periods(&groups) > 5);

    cluster
        .pods()
        .delete("spin", &Default::default())
        .await
        .unwrap();
    eventually("object and cgroups gone", async || {
        let object = cluster.pods().get_opt("spin").await.unwrap();
        (object.is_none() && pod_groups(NODE, "burstable", uid(&pod)).is_empty()).then_some(())
    })
    .await;
    assert!(!crate::support::alive(pids[0]));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_over_its_memory_limit_is_reported_as_killed_for_it() {
    const NODE: &str = "test-memory";
    let cluster = Cluster::start().await;
    let node = TestNode::start(&cluster, NODE, 22).await;
    let hog = json!({
        // The shell keeps the whole text in memory.
        "command": ["sh", "-c", "x=$(head -c 200000000 /dev/zero | tr '\\0' x); echo ${#x}"],
        "resources": {"limits": {"cpu": "1", "memory": "16Mi"}},
    });
    let spec = json!({"nodeName": NODE, "restartPolicy": "Never", "containers": [
        {"name": "main", "image": "none", "command": hog["command"], "resources": hog["resources"]},
    ]});
    let pod = cluster.create_pod_spec("hog", spec).await;
    let ended = cluster
        .pod_when("hog", "failed", |pod| phase(pod) == "Failed")
        .await;
    let state = container(&ended)
        .unwrap()
        .state
        .clone()
        .unwrap()
        .terminated
        .unwrap();
    assert_eq!(
        (state.reason.as_deref(), state.exit_code),
        (Some("OOMKilled"), 137),
        "{state:?}"
    );
    assert_eq!(
        ended.status.unwrap().qos_class.as_deref(),
        Some("Guaranteed")
    );
    assert!(
        pod_groups(NODE, "", uid(&pod)).is_empty(),
        "an ended pod keeps no cgroup"
    );
    node.stop().await;
}

/// CPU time used by the group, from whichever hierarchy tells.
fn cpu_usage(groups: &[PathBuf]) -> Duration {
    for group in groups {
        if let Ok(text) = std::fs::read_to_string(group.join("cpuacct.usage")) {
            return Duration::from_nanos(text.trim().parse().unwrap());
        }
    }
    Duration::from_micros(stat(groups, "usage_usec").expect("no hierarchy tells the CPU time"))
}

fn throttled_periods(groups: &[PathBuf]) -> u64 {
    stat(groups, "nr_throttled").expect("no hierarchy tells throttling")
}

fn stat(groups: &[PathBuf], key: &str) -> Option<u64> {
    groups.iter().find_map(|group| {
        let text = std::fs::read_to_string(group.join("cpu.stat")).ok()?;
        text.lines()
            .find_map(|line| line.strip_prefix(key)?.trim().parse().ok())
    })
}
