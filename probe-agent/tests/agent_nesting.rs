//! What belongs to a container and what does not: cgroups inside it, other containers of its pod, and
//! another container under an id that was used before.

mod agent_support;

use std::time::{Duration, Instant};

use agent_support::agent::Agent;
use agent_support::cgroups::Container;
use agent_support::orders::{INTERVAL, configuration, target};
use agent_support::scaler::Scaler;
use agent_support::sender::Sender;
use viperscale_proto::v1;
use viperscale_proto::v1::Metric;

const SENT: [(Metric, f64); 1] = [(Metric::SentBytes, 1.0)];

fn sent(report: &v1::Report) -> u64 {
    let metrics = report.containers.iter().flat_map(|one| &one.metrics);
    metrics.map(|metric| metric.sum).sum()
}

/// Adds reports up until `bytes` were seen and nothing came for a while.
async fn total(scaler: &mut Scaler, bytes: u64) -> u64 {
    let deadline = Instant::now() + Duration::from_secs(20);
    let (mut sum, mut quiet) = (0, 0);
    while quiet < 5 {
        assert!(
            Instant::now() < deadline,
            "{sum} of {bytes} bytes were seen"
        );
        let now = sent(&scaler.report().await);
        sum += now;
        quiet = if now == 0 && sum >= bytes {
            quiet + 1
        } else {
            0
        };
    }
    sum
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cgroup_made_inside_while_it_runs_is_the_containers() {
    let container = Container::create();
    let mut scaler = Scaler::start(configuration(1, vec![target(&container, &SENT)])).await;
    let _agent = Agent::run(&scaler.url(), &[]);
    scaler
        .report_where("it is measured", |report| !report.containers.is_empty())
        .await;
    let nested = container.nested("init.scope");
    // It has an interval to be noticed in; a runtime's takes longer to start.
    tokio::time::sleep(2 * INTERVAL).await;
    let sender = Sender::start(&nested, 20, 50, 0.01);
    assert_eq!(total(&mut scaler, sender.bytes()).await, sender.bytes());
    drop(sender);
    drop(nested);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_containers_of_the_pod_are_not_charged_to_it() {
    let container = Container::create();
    // As the pause container and those that initialise a pod are.
    let sibling = container.sibling();
    let mut scaler = Scaler::start(configuration(1, vec![target(&container, &SENT)])).await;
    let _agent = Agent::run(&scaler.url(), &[]);
    scaler
        .report_where("it is measured", |report| !report.containers.is_empty())
        .await;
    let others = Sender::start(&sibling, 20, 50, 0.01);
    let own = Sender::start(&container, 20, 50, 0.01);
    assert_eq!(total(&mut scaler, own.bytes()).await, own.bytes());
    drop(others);
    drop(sibling);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_comes_again_under_its_id_begins_anew() {
    let mut container = Container::create();
    let mut scaler = Scaler::start(configuration(1, vec![target(&container, &SENT)])).await;
    let _agent = Agent::run(&scaler.url(), &[]);
    scaler
        .report_where("it is measured", |report| !report.containers.is_empty())
        .await;
    for _ in 0..2 {
        let sender = Sender::start(&container, 10, 50, 0.01);
        assert_eq!(total(&mut scaler, sender.bytes()).await, sender.bytes());
        drop(sender);
        container.unmake();
        scaler
            .report_where("it is gone", |report| report.containers.is_empty())
            .await;
        container.make();
        scaler
            .report_where("it is back", |report| !report.containers.is_empty())
            .await;
    }
}
