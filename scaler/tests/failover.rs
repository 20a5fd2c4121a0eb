//! Two scalers, one of which decides.

#![allow(clippy::unwrap_used)] // in a test it is an assertion

mod common;

use std::time::{Duration, Instant};

use common::{Cluster, Running, election, eventually, policy};
use serde_json::Value;

/// What issue 4 allows from a leader's death to the next decision.
const GOAL: Duration = Duration::from_secs(5);

async fn candidate(cluster: &Cluster) -> Running {
    let policies = [("web.yaml", policy("web", ""))];
    Running::start_with(cluster, &policies, |config| config.election = election()).await
}

async fn leads(scaler: &Running) -> bool {
    let ready: Value = scaler.get("/ready").await.json().await.unwrap();
    ready["leads"] == true
}

async fn until_it_leads(scaler: &Running) {
    eventually("it leads", || async { leads(scaler).await.then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_is_ready_takes_no_reports_and_says_who_leads() {
    let cluster = Cluster::start().await;
    cluster.create_deployment("web").await;
    let pod = cluster.create_pod("web", "web-a", "n1").await;
    let leader = candidate(&cluster).await;
    until_it_leads(&leader).await;
    let standby = candidate(&cluster).await; // which waits for its /ready
    assert!(!leads(&standby).await);

    let mut agent = standby.connect("n1").await;
    let leader_address = leader.scaler.grpc_address.to_string();
    while agent.standby().await.leader_address != leader_address {}
    agent.report_waiting(&pod).await;
    let line = "viperscale_reports_total{result=\"standby\"} 1";
    eventually(line, || async {
        let metrics = standby.get("/metrics").await.text().await.unwrap();
        metrics.lines().any(|found| found == line).then_some(())
    })
    .await;
    assert_eq!(cluster.replicas("web").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn decisions_go_on_soon_after_the_leader_died() {
    let cluster = Cluster::start().await;
    cluster.create_deployment("web").await;
    let pod = cluster.create_pod("web", "web-a", "n1").await;
    let first = candidate(&cluster).await;
    until_it_leads(&first).await;
    let second = candidate(&cluster).await;
    let (mut to_first, mut to_second) = (first.connect("n1").await, second.connect("n1").await);
    let before = to_first.configuration_of(1).await;

    // As dead as a task can be: nothing is handed back.
    let died = Instant::now();
    drop(first);
    let after = to_second.configuration_of(1).await;
    assert!(
        after.term > before.term,
        "{} after {}",
        after.term,
        before.term
    );
    // What happened in the last seconds, once more.
    for (number, age) in (1..=5).rev().enumerate() {
        to_second.interval_number = number as u64 + 1;
        to_second.age = Duration::from_millis(200) * age;
        to_second.report_waiting(&pod).await;
    }
    eventually("the new leader has scaled", || async {
        (cluster.replicas("web").await > 1).then_some(())
    })
    .await;
    assert!(died.elapsed() < GOAL, "{:?}", died.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_stops_in_order_hands_over_at_once() {
    let cluster = Cluster::start().await;
    let first = candidate(&cluster).await;
    until_it_leads(&first).await;
    let second = candidate(&cluster).await;
    let stopped = Instant::now();
    first.stop.cancel();
    first.scaler.finished().await.unwrap();
    until_it_leads(&second).await;
    // Less than the lease would have lasted.
    assert!(
        stopped.elapsed() < Duration::from_millis(2_500),
        "{:?}",
        stopped.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_leader_takes_nothing_away_before_its_windows_are_full() {
    let cluster = Cluster::start().await;
    cluster.create_deployment("web").await;
    let pod = cluster.create_pod("web", "web-a", "n1").await;
    let eager = "behavior: {scaleDown: {stabilizationWindowSeconds: 0}}";
    let patch = serde_json::json!({"spec": {"replicas": 4}});
    let patch = kube::api::Patch::Merge(patch);
    let params = kube::api::PatchParams::default();
    cluster
        .deployments()
        .patch("web", &params, &patch)
        .await
        .unwrap();
    let policies = [("web.yaml", policy("web", eager))];
    let scaler = Running::start(&cluster, &policies).await;
    let started = Instant::now();
    let mut agent = scaler.connect("n1").await;
    agent.configuration_of(1).await;
    let mut tick = tokio::time::interval(Duration::from_millis(200));
    while cluster.replicas("web").await == 4 {
        tick.tick().await;
        agent.report_calm(&pod).await;
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "it never scales down"
        );
    }
    // The policy's window is 5 s.
    assert!(
        started.elapsed() > Duration::from_secs(4),
        "{:?}",
        started.elapsed()
    );
}
