//! Agents that come to one scaler by two addresses, as behind a Service with an address of its own.

#![allow(clippy::unwrap_used)] // in a test it is an assertion

mod common;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use common::{Cluster, Running, election, eventually};
use probe_agent::orders::Orders;
use probe_agent::stream::{Address, Link, Outbox, Stream, TlsFiles};
use tokio::sync::watch;
use tokio::time::sleep;
use viperscale_proto::v1 as wire;

/// How often streams have come to this.
async fn streams(scaler: &Running, result: &str) -> u64 {
    let metrics = scaler.get("/metrics").await.text().await.unwrap();
    let name = format!("viperscale_streams_total{{result=\"{result}\"}} ");
    let mut lines = metrics.lines();
    let count = lines.find_map(|line| line.strip_prefix(&name));
    count.map_or(0, |count| count.parse().unwrap())
}

fn agent(addresses: &[String]) -> (Stream, watch::Receiver<Link>) {
    let parse = |url: &String| Address::parse(url, &TlsFiles::default()).unwrap();
    let (link, linked) = watch::channel(Link::NeverUp);
    let stream = Stream {
        addresses: addresses.iter().map(parse).collect(),
        hello: wire::Hello {
            node_name: "n1".to_owned(),
            cpus: 4,
            ..wire::Hello::default()
        },
        default_interval: Duration::from_secs(1),
        grace: Duration::from_secs(60),
        reports: Arc::new(Outbox::bounded(NonZeroUsize::MIN)),
        orders: Arc::new(Orders::default()),
        link,
    };
    (stream, linked)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_scaler_gets_one_stream_of_an_agent_whatever_its_addresses() {
    let cluster = Cluster::start().await;
    let scaler = Running::start_with(&cluster, &[], |config| {
        config.election = election();
        config.grpc_address = "0.0.0.0:0".parse().unwrap();
    })
    .await;
    let port = scaler.scaler.grpc_address.port();
    let addresses = ["127.0.0.1", "127.0.0.2"].map(|host| format!("http://{host}:{port}"));
    let (stream, mut linked) = agent(&addresses);
    let running = tokio::spawn(stream.run());
    linked.wait_for(|link| *link == Link::Up).await.unwrap();
    // Long enough for some rounds of two streams that replace each other, each with its delay.
    sleep(Duration::from_secs(4)).await;
    assert_eq!(*linked.borrow(), Link::Up, "never lost");
    let (opened, replaced) = (
        streams(&scaler, "opened").await,
        streams(&scaler, "replaced").await,
    );
    assert_eq!((opened, replaced), (1, 0));
    eventually("the second one has left in order", || async {
        (streams(&scaler, "closed").await == 1).then_some(())
    })
    .await;
    running.abort();
}
