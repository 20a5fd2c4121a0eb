//! The rules of the agents' stream.

#![allow(clippy::unwrap_used)] // in a test it is an assertion

mod common;

use common::agent::hello;
use common::{Cluster, Running, eventually, policy};
use tonic::Code;
use viperscale_proto::v1 as wire;

fn report(interval_ns: u64) -> wire::AgentMessage {
    let report = wire::Report {
        interval_ns,
        ..wire::Report::default()
    };
    wire::AgentMessage {
        message: Some(wire::agent_message::Message::Report(report)),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hello_comes_first_and_once() {
    let cluster = Cluster::start().await;
    let scaler = Running::start(&cluster, &[]).await;
    for messages in [
        vec![report(1_000_000_000)],
        vec![hello("")],
        vec![hello("n1"), hello("n1")],
        vec![hello("n1"), report(601_000_000_000)],
        vec![hello("n1"), wire::AgentMessage { message: None }],
    ] {
        let (sender, mut inbound) = scaler.open_stream().await;
        for message in &messages {
            sender.send(message.clone()).await.unwrap();
        }
        let status = loop {
            match inbound.message().await {
                Ok(Some(_configuration)) => {}
                Ok(None) => panic!("ended without a word: {messages:?}"),
                Err(status) => break status,
            }
        };
        assert_eq!(
            status.code(),
            Code::InvalidArgument,
            "{messages:?}: {status}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_of_a_moment_is_counted_and_ends_nothing() {
    let cluster = Cluster::start().await;
    let scaler = Running::start(&cluster, &[]).await;
    let (sender, _inbound) = scaler.open_stream().await;
    for message in [hello("n1"), report(0), report(1_000_000_000)] {
        sender.send(message).await.unwrap();
    }
    for result in ["too_short", "accepted"] {
        let line = format!("viperscale_reports_total{{result=\"{result}\"}} 1");
        eventually(&line, || async {
            let metrics = scaler.get("/metrics").await.text().await.unwrap();
            metrics.lines().any(|found| found == line).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_stream_of_a_node_replaces_the_older() {
    let cluster = Cluster::start().await;
    cluster.create_deployment("web").await;
    cluster.create_pod("web", "web-a", "n1").await;
    let scaler = Running::start(&cluster, &[("web.yaml", policy("web", ""))]).await;
    let mut older = scaler.connect("n1").await;
    let first = older.configuration_of(1).await;
    let mut newer = scaler.connect("n1").await;
    assert_eq!(
        older.configuration().await.unwrap_err().code(),
        Code::AlreadyExists
    );
    let second = newer.configuration_of(1).await;
    assert!(second.revision > first.revision, "revisions grow");
    cluster.create_pod("web", "web-b", "n1").await;
    assert!(newer.configuration_of(2).await.revision > second.revision);
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_ends_streams_and_everything_else() {
    let cluster = Cluster::start().await;
    let scaler = Running::start(&cluster, &[]).await;
    let mut agent = scaler.connect("n1").await;
    agent.configuration().await.unwrap();
    scaler.stop.cancel();
    assert_eq!(
        agent.configuration().await.unwrap_err().code(),
        Code::Unavailable
    );
    scaler.scaler.finished().await.unwrap();
}
