//! Writing a replica count when the answer is lost, and when this process was stopped meanwhile.
//! Against the local API server's routes, without a network, under a paused clock.

#![allow(clippy::unwrap_used)] // in a test it is an assertion

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use local_apiserver::{InProcess, StoreLimits};
use scaler::apply::{Denied, Lead, Leadership, PatchError, Written, patch_scale};
use scaler::workloads::DeploymentRecord;
use scaler_core::Timestamp;
use serde_json::json;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What becomes of a PATCH.
#[derive(Clone, Copy)]
enum Fate {
    Answered,
    /// Carried out, and the connection breaks.
    AnswerLost,
    Unavailable,
}

/// A client of `server`, and how many PATCHes it has sent. `fate` is asked with their number, from 1.
fn client(server: &InProcess, fate: fn(u32) -> Fate) -> (Client, Arc<AtomicU32>) {
    let sent = Arc::new(AtomicU32::new(0));
    let (server, count) = (server.clone(), sent.clone());
    let service = tower::service_fn(move |request: Request<kube::client::Body>| {
        let (server, count) = (server.clone(), count.clone());
        async move {
            let (parts, body) = request.into_parts();
            let request = Request::from_parts(parts, body.collect_bytes().await?);
            let fate = match *request.method() == Method::PATCH {
                true => fate(count.fetch_add(1, Ordering::Relaxed) + 1),
                false => Fate::Answered,
            };
            match fate {
                Fate::Answered => Ok(server.answer(request).await),
                Fate::AnswerLost => {
                    server.answer(request).await;
                    Err(BoxError::from(io::Error::from(
                        io::ErrorKind::ConnectionReset,
                    )))
                }
                Fate::Unavailable => {
                    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {},
                        "status": "Failure", "reason": "ServiceUnavailable", "code": 503,
                        "message": "shutting down"});
                    let mut response = Response::new(status.to_string().into());
                    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                    Ok(response)
                }
            }
        }
    });
    (Client::new(service, "default"), sent)
}

/// A deployment of one replica, as the scaler has seen it.
async fn deployment(client: &Client) -> DeploymentRecord {
    let deployment: Deployment = serde_json::from_value(json!({
        "metadata": {"name": "web"},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "web"}},
                 "template": {"metadata": {"labels": {"app": "web"}},
                              "spec": {"containers": [{"name": "server", "image": "none"}]}}},
    }))
    .unwrap();
    let created = deployments(client)
        .create(&PostParams::default(), &deployment)
        .await;
    DeploymentRecord::read(created.unwrap()).unwrap()
}

fn deployments(client: &Client) -> Api<Deployment> {
    Api::namespaced(client.clone(), "default")
}

async fn replicas(client: &Client) -> Option<i32> {
    deployments(client).get("web").await.unwrap().spec.replicas
}

fn server() -> (InProcess, Client) {
    let server = InProcess::new(StoreLimits::default()).unwrap();
    let (undisturbed, _) = client(&server, |_| Fate::Answered);
    (server, undisturbed)
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_answer_was_lost_is_ours() {
    let (server, undisturbed) = server();
    let seen = deployment(&undisturbed).await;
    let (client, sent) = client(&server, |number| match number {
        1 => Fate::AnswerLost,
        _ => Fate::Answered,
    });
    let written = patch_scale(&client, &Leadership::always(), &seen, 3).await;
    let Ok(Written { resource_version }) = written else {
        panic!("our own write was taken for somebody else's: {written:?}");
    };
    let now = deployments(&undisturbed).get("web").await.unwrap();
    assert_eq!(
        now.metadata.resource_version.as_ref(),
        Some(&resource_version)
    );
    assert_eq!(now.spec.replicas, Some(3));
    assert_eq!(
        sent.load(Ordering::Relaxed),
        2,
        "the second one was refused"
    );
}

#[tokio::test(start_paused = true)]
async fn the_same_number_by_another_hand_is_not() {
    let (server, undisturbed) = server();
    let seen = deployment(&undisturbed).await;
    let human = Patch::Merge(json!({"spec": {"replicas": 3}}));
    deployments(&undisturbed)
        .patch_scale("web", &PatchParams::default(), &human)
        .await
        .unwrap();
    let (client, _) = client(&server, |_| Fate::Answered);
    let written = patch_scale(&client, &Leadership::always(), &seen, 3).await;
    assert_eq!(written.unwrap_err(), PatchError::Conflict { found: 3 });
}

#[tokio::test(start_paused = true)]
async fn a_process_that_was_stopped_does_not_write_from_another_time() {
    let (server, undisturbed) = server();
    let seen = deployment(&undisturbed).await;
    let (client, sent) = client(&server, |number| match number {
        1 => Fate::Unavailable,
        _ => Fate::Answered,
    });
    let writing =
        tokio::spawn(async move { patch_scale(&client, &Leadership::always(), &seen, 3).await });
    // Nobody sleeps here, so the clock stands still until it is told to leap.
    while sent.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    for _answer_on_its_way in 0..100 {
        tokio::task::yield_now().await;
    }
    tokio::time::advance(Duration::from_secs(60)).await;
    let written = writing.await.unwrap();
    assert!(
        matches!(written, Err(PatchError::Failed { .. })),
        "{written:?}"
    );
    assert_eq!(sent.load(Ordering::Relaxed), 1);
    assert_eq!(replicas(&undisturbed).await, Some(1));
}

#[tokio::test(start_paused = true)]
async fn who_has_lost_the_lead_does_not_try_again() {
    let (server, undisturbed) = server();
    let seen = deployment(&undisturbed).await;
    let (client, sent) = client(&server, |_| Fate::Unavailable);
    let lead = Lead {
        term: 1,
        until: Timestamp::new(Duration::MAX),
    };
    let (election, leads) = tokio::sync::watch::channel(Some(lead));
    let leadership = Leadership::elected(leads, Timestamp::default);
    let writing = tokio::spawn(async move { patch_scale(&client, &leadership, &seen, 3).await });
    while sent.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    election.send_replace(None);
    let not_leader = PatchError::Denied(Denied::NotLeader);
    assert_eq!(writing.await.unwrap().unwrap_err(), not_leader);
    assert_eq!(sent.load(Ordering::Relaxed), 1);
    assert_eq!(replicas(&undisturbed).await, Some(1));
}
