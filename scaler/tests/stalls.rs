//! A leader that is held up: for a while, and for good.

#![allow(clippy::unwrap_used)] // in a test it is an assertion

mod common;

use std::thread;
use std::time::{Duration, Instant};

use common::{Cluster, NAMESPACE, Running, election, eventually, policy};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use serde_json::Value;

/// More than the lease lasts.
const BUSY: Duration = Duration::from_secs(6);
/// A leader whose controller does not work for longer does not lead.
const HANGS: Duration = Duration::from_secs(15);

async fn candidate(cluster: &Cluster) -> Running {
    let policies = [("web.yaml", policy("web", ""))];
    Running::start_with(cluster, &policies, |config| config.election = election()).await
}

async fn until_it_leads(scaler: &Running) {
    eventually("it leads", || async {
        let ready: Value = scaler.get("/ready").await.json().await.unwrap();
        (ready["leads"] == true).then_some(())
    })
    .await;
}

async fn holder(cluster: &Cluster) -> Option<String> {
    let leases: Api<Lease> = Api::namespaced(cluster.client.clone(), NAMESPACE);
    let lease = leases.get("scaler-under-test").await.unwrap();
    lease
        .spec?
        .holder_identity
        .filter(|holder| !holder.is_empty())
}

/// A runtime of one thread, so that one task holds everything up.
#[tokio::test(flavor = "multi_thread")]
async fn a_busy_leader_stays_and_one_that_hangs_goes() {
    let cluster = Cluster::start().await;
    cluster.create_deployment("web").await;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let (sender, started) = tokio::sync::oneshot::channel();
    let kubeconfig = cluster.kubeconfig.clone();
    runtime.spawn(async move {
        let there = Cluster::joined(&kubeconfig).await;
        let running = candidate(&there).await;
        let _ = sender.send((there, running));
    });
    let (_there, first) = started.await.unwrap();
    until_it_leads(&first).await;
    let first_holder = holder(&cluster).await.unwrap();
    let second = candidate(&cluster).await;

    runtime.spawn(async { thread::sleep(BUSY) });
    tokio::time::sleep(BUSY).await;
    assert_eq!(holder(&cluster).await.as_ref(), Some(&first_holder));

    // A second to decide, and it has shown that it works.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let hangs_since = Instant::now();
    runtime.spawn(async { thread::sleep(HANGS * 2) });
    eventually("another one leads", || async {
        let now = holder(&cluster).await;
        now.is_some_and(|now| now != first_holder).then_some(())
    })
    .await;
    let after = hangs_since.elapsed();
    assert!(after > HANGS - Duration::from_secs(6), "{after:?}");
    until_it_leads(&second).await;
    // Its tasks sleep on; nobody waits for them.
    runtime.shutdown_background();
}
