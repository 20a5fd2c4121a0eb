//! What a policy asks for is what the kernel measures, while everything runs: an edited file reaches
//! the node's kernel within an interval, and only what it names is attached.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use viperscale_tests::{Load, TestCluster, eventually};

/// The scaler's interval, its debouncing of edited files, and some for a busy machine.
const AT_MOST: Duration = Duration::from_millis(1_000 + 100 + 900);

/// A policy that changes nothing, whatever it measures.
fn policy(metrics: &str) -> String {
    format!(
        "apiVersion: viperscale.dev/v1alpha1
kind: ScalingPolicy
metadata: {{name: shown, namespace: viperscale-e2e}}
spec:
  scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: shown}}
  mode: DryRun
  minReplicas: 1
  maxReplicas: 1
  metrics:
{metrics}"
    )
}

const WAITS: &str = "    - {name: runqLatency, statistic: p95, threshold: 1s, response: Step}\n";
const FAULTS: &str =
    "    - {name: kernelPageFaults, response: Observe, sampling: 0.1, container: server}\n";
const RECEIVED: &str = "    - {name: receivedBytes, response: Observe, sampling: 0.5}\n";
/// Of a container that there is not: it concerns nobody.
const NOBODYS: &str = "    - {name: tlbFlushes, response: Observe, container: proxy}\n";

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Waits until exactly `expected` is attached; returns how long that took.
async fn attached(cluster: &TestCluster, expected: &[&str]) -> Duration {
    let (since, expected) = (Instant::now(), names(expected));
    eventually(
        &format!("{expected:?} attached"),
        Duration::from_secs(15),
        async || (cluster.agent_programs() == expected).then_some(()),
    )
    .await;
    since.elapsed()
}

#[tokio::test]
async fn an_edited_policy_reaches_the_kernel_within_an_interval() {
    let mut cluster = TestCluster::start().await;
    cluster.deploy("shown", 1_000).await;
    cluster.autoscale(&policy(WAITS)).await;
    attached(&cluster, &["sched_switch", "flush_running"]).await;
    let load = Load::start(cluster.url("shown").await, 20);

    // The kernel keeps fifteen characters of a name.
    let steps: [(&str, &[&str]); 4] = [
        (
            FAULTS,
            &["sched_switch", "flush_running", "page_fault_kern"],
        ),
        (
            RECEIVED,
            &["sched_switch", "flush_running", "sock_recv_lengt"],
        ),
        (NOBODYS, &["sched_switch", "flush_running"]),
        ("", &["sched_switch", "flush_running"]),
    ];
    for (metric, programs) in steps {
        cluster.change_policies(&policy(&format!("{WAITS}{metric}")));
        let took = attached(&cluster, programs).await;
        assert!(took < AT_MOST, "{metric}: it took {took:?}");
    }

    // What is sampled is shown as what it was, with how sure that is.
    cluster.change_policies(&policy(&format!("{WAITS}{RECEIVED}")));
    let rate = eventually(
        "a sampled metric in the decision",
        Duration::from_secs(15),
        async || {
            let decisions = cluster.decisions().await;
            let evidence = &decisions.get("shown")?.evidence;
            let received = evidence.iter().find(|one| one.metric == "receivedBytes")?;
            received.value.filter(|rate| *rate > 0.0)
        },
    )
    .await;
    // Twenty requests a second of some hundred bytes each.
    assert!((500.0..100_000.0).contains(&rate), "{rate} bytes a second");
    assert!(
        load.answered() > 0,
        "the premise: there was something to receive"
    );
    drop(load);

    cluster.change_policies(&policy(WAITS));
    attached(&cluster, &["sched_switch", "flush_running"]).await;
    cluster.stop().await;
}
