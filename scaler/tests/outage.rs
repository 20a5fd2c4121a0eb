//! Reports that waited in an agent's queue while the scaler was away.

#![allow(clippy::unwrap_used)] // in a test it is an assertion

mod common;

use std::time::Duration;

use common::{Cluster, Running, eventually, policy};
use serde_json::Value;

/// Until this many reports of this process were counted so.
async fn counted(scaler: &Running, result: &str, count: u64) {
    let line = format!("viperscale_reports_total{{result=\"{result}\"}} {count}");
    eventually(&line, || async {
        let metrics = scaler.get("/metrics").await.text().await.unwrap();
        metrics.lines().any(|found| found == line).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_queued_up_during_an_outage_scales_nothing() {
    let cluster = Cluster::start().await;
    cluster.create_deployment("web").await;
    let pod = cluster.create_pod("web", "web-a", "n1").await;
    let scaler = Running::start(&cluster, &[("web.yaml", policy("web", ""))]).await;
    let mut agent = scaler.connect("n1").await;
    agent.configuration_of(1).await;

    // The agent was busy long before the scaler was back; five reports are older than any window.
    for seconds in (0..35).map(|report| 70 - report) {
        agent.age = Duration::from_secs(seconds);
        agent.report_waiting(&pod).await;
    }
    counted(&scaler, "outdated", 5).await;
    counted(&scaler, "accepted", 30).await;

    // By now it is calm, and what is fresh alone decides.
    agent.age = Duration::ZERO;
    let mut calm = Value::Null;
    let mut tick = tokio::time::interval(Duration::from_millis(200));
    for _report in 0..10 {
        tick.tick().await;
        agent.report_calm(&pod).await;
        calm = scaler
            .decision("web", |view| view["decision"].is_object())
            .await;
        assert_eq!(calm["decision"]["desired"], 1, "{calm}");
    }
    assert_ne!(calm["decision"]["reason"], "InsufficientData", "{calm}");
    assert!(calm["last_change"].is_null(), "{calm}");
    assert_eq!(cluster.replicas("web").await, 1);

    // The same numbers, fresh, are acted upon.
    let mut replicas = 1;
    for _report in 0..50 {
        tick.tick().await;
        agent.report_waiting(&pod).await;
        replicas = cluster.replicas("web").await;
        if replicas == 4 {
            break;
        }
    }
    assert_eq!(replicas, 4);
}
