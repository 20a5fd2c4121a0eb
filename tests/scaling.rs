//! The product's one path, end to end: load on one deployment scales it and no other, and down
//! again after the load ends.

use std::time::Duration;

use viperscale_tests::{Load, TestCluster, eventually, throughout};

/// CPU time of one request; at 60 requests a second they need 0.6 cores, three pods of 200m.
const REQUEST_CPU_US: u32 = 10_000;
const REQUESTS_PER_SECOND: u32 = 60;

#[tokio::test]
async fn load_scales_its_deployment_and_no_other_and_down_again() {
    let mut cluster = TestCluster::start().await;
    cluster.deploy("busy", REQUEST_CPU_US).await;
    cluster.deploy("idle", REQUEST_CPU_US).await;
    cluster
        .autoscale(include_str!("policies/scaling.yaml"))
        .await;
    eventually(
        "measured values of both deployments",
        Duration::from_secs(15),
        async || {
            let decisions = cluster.decisions().await;
            (decisions.len() == 2 && decisions.values().all(|d| d.is_informed())).then_some(())
        },
    )
    .await;

    // A trickle scales nothing.
    let trickle = Load::start(cluster.url("busy").await, 2);
    throughout(
        "one replica under a trickle",
        Duration::from_secs(5),
        async || cluster.replicas("busy").await == 1,
    )
    .await;
    assert!(trickle.answered() > 0, "the trickle was not answered");
    drop(trickle);

    let load = Load::start(cluster.url("busy").await, REQUESTS_PER_SECOND);
    eventually(
        "three replicas of the loaded deployment",
        Duration::from_secs(20),
        async || (cluster.replicas("busy").await >= 3).then_some(()),
    )
    .await;
    eventually("three ready pods", Duration::from_secs(20), async || {
        (cluster.ready_replicas("busy").await >= 3).then_some(())
    })
    .await;
    throughout("bounds under load", Duration::from_secs(10), async || {
        let busy = cluster.replicas("busy").await;
        (3..=8).contains(&busy) && cluster.replicas("idle").await == 1
    })
    .await;
    let events = cluster.rescale_events("busy").await;
    assert!(
        events.iter().any(|message| message.contains("runqLatency")),
        "{events:?}"
    );
    assert!(cluster.rescale_events("idle").await.is_empty());

    drop(load);
    eventually(
        "one replica after the load",
        Duration::from_secs(60),
        async || (cluster.replicas("busy").await == 1).then_some(()),
    )
    .await;
    assert_eq!(cluster.replicas("idle").await, 1);
    cluster.stop().await;
}
