//! Reports that come twice. Alone in its process, because it counts all that was accepted.

#![allow(clippy::unwrap_used)] // in a test it is an assertion

mod common;

use common::{Cluster, Running, eventually, policy};

#[tokio::test(flavor = "multi_thread")]
async fn an_interval_counts_once() {
    let cluster = Cluster::start().await;
    cluster.create_deployment("web").await;
    let pod = cluster.create_pod("web", "web-a", "n1").await;
    let policies = [("web.yaml", policy("web", ""))];
    let scaler = Running::start(&cluster, &policies).await;
    let mut agent = scaler.connect("n1").await;
    agent.configuration_of(1).await;
    for number in [1, 2, 2, 1, 3] {
        agent.interval_number = number;
        agent.report_calm(&pod).await;
    }
    for line in [
        "viperscale_reports_total{result=\"accepted\"} 3",
        "viperscale_reports_total{result=\"repeated\"} 2",
    ] {
        eventually(line, || async {
            let metrics = scaler.get("/metrics").await.text().await.unwrap();
            metrics.lines().any(|found| found == line).then_some(())
        })
        .await;
    }
}
