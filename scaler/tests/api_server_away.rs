//! An API server that is not there, not there yet, or not there any more.

#![allow(clippy::unwrap_used)] // in a test it is an assertion

mod common;

use std::time::{Duration, Instant};

use common::proxy::{Proxy, Way};
use common::{Agent, Cluster, config, eventually, policy};
use scaler::run::Scaler;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

/// A scaler that starts while nobody knows whether the API server is there.
struct Patient {
    scaler: Scaler,
    _policies: tempfile::TempDir,
}

impl Patient {
    async fn start(proxy: &Proxy) -> Self {
        let policies = tempfile::tempdir().unwrap();
        std::fs::write(policies.path().join("web.yaml"), policy("web", "")).unwrap();
        let kubeconfig = proxy.kubeconfig().to_owned();
        let connecting = async move { scaler::cluster::connect_patiently(Some(&kubeconfig)).await };
        let stop = CancellationToken::new();
        let started = Scaler::start_connecting(config(policies.path()), connecting, stop).await;
        Patient {
            scaler: started.unwrap(),
            _policies: policies,
        }
    }

    async fn ready(&self) -> (bool, Value) {
        let url = format!("http://{}/ready", self.scaler.admin_address);
        let answer = reqwest::get(url).await.unwrap();
        (answer.status().is_success(), answer.json().await.unwrap())
    }

    async fn until_ready(&self) {
        eventually("ready", || async { self.ready().await.0.then_some(()) }).await;
    }

    async fn connect(&self, node: &str) -> Agent {
        Agent::connect(&format!("http://{}", self.scaler.grpc_address), node).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ports_answer_before_the_api_server_does() {
    let cluster = Cluster::start().await;
    for way in [Way::Closed, Way::Silent] {
        let proxy = Proxy::start(&cluster.kubeconfig, way).await;
        let scaler = Patient::start(&proxy).await;
        let (ready, answer) = scaler.ready().await;
        assert!(!ready, "{answer}");
        let missing = answer["waiting_for"].as_array().unwrap();
        assert!(missing.contains(&"api-server".into()), "{answer}");
        let mut agent = scaler.connect("n1").await;
        assert_eq!(agent.standby().await.leader_address, "");
        proxy.set(Way::Open);
        scaler.until_ready().await;
        agent.configuration_of(0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_told_and_what_happened_meanwhile_is_learned_after_it() {
    let cluster = Cluster::start().await;
    cluster.create_deployment("web").await;
    cluster.create_pod("web", "web-a", "n1").await;
    let proxy = Proxy::start(&cluster.kubeconfig, Way::Open).await;
    let scaler = Patient::start(&proxy).await;
    scaler.until_ready().await;
    let mut agent = scaler.connect("n1").await;
    agent.configuration_of(1).await;

    proxy.set(Way::Closed);
    cluster.create_pod("web", "web-b", "n1").await;
    let failing = eventually("the outage is told", || async {
        let (ready, answer) = scaler.ready().await;
        assert!(ready, "an outage is no reason for a restart: {answer}");
        let failing = answer["api_failing"].as_array()?.clone();
        (!failing.is_empty()).then_some(failing)
    })
    .await;
    assert!(
        failing
            .iter()
            .all(|one| one["seconds"].as_f64() >= Some(5.0))
    );

    proxy.set(Way::Open);
    let healed = Instant::now();
    agent.configuration_of(2).await;
    // The longest delay between two attempts.
    assert!(
        healed.elapsed() < Duration::from_secs(12),
        "{:?}",
        healed.elapsed()
    );
}
