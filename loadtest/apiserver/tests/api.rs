//! The API's contract, over real HTTPS with kube's client.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod support;

use std::os::unix::fs::PermissionsExt;

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v1::Scale;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{
    Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams,
};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, ResourceExt};
use local_apiserver::{Config, ServeError, StoreLimits, serve};
use serde_json::json;
use support::{client, deployment};

struct Server {
    client: Client,
    running: local_apiserver::Running,
    directory: tempfile::TempDir,
}

async fn start_with(limits: StoreLimits) -> Server {
    let directory = tempfile::tempdir().unwrap();
    let config = Config {
        limits,
        ..Config::new(directory.path())
    };
    let running = serve(config).await.unwrap();
    Server {
        client: client(running.kubeconfig()).await,
        running,
        directory,
    }
}

async fn start() -> Server {
    start_with(StoreLimits::default()).await
}

fn map(name: &str, value: &str) -> ConfigMap {
    serde_json::from_value(json!({
        "metadata": {"name": name, "labels": {"name": name}}, "data": {"key": value}}))
    .unwrap()
}

fn code(error: kube::Error) -> (u16, String) {
    match error {
        kube::Error::Api(status) => (status.code, status.reason),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn errors_are_the_ones_of_kubernetes() {
    let server = start().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(server.client.clone());
    let create = PostParams::default();
    let first = maps.create(&create, &map("a", "1")).await.unwrap();
    let expect = |found: kube::Error, wanted: (u16, &str)| {
        assert_eq!(code(found), (wanted.0, wanted.1.to_owned()));
    };
    expect(
        maps.create(&create, &map("a", "1")).await.unwrap_err(),
        (409, "AlreadyExists"),
    );
    expect(maps.get("b").await.unwrap_err(), (404, "NotFound"));
    expect(
        maps.create(&create, &map("A_", "1")).await.unwrap_err(),
        (422, "Invalid"),
    );
    let mut second = first.clone();
    second.data = map("a", "2").data;
    let second = maps.replace("a", &create, &second).await.unwrap();
    assert_ne!(first.resource_version(), second.resource_version());
    expect(
        maps.replace("a", &create, &first).await.unwrap_err(),
        (409, "Conflict"),
    );
    let elsewhere: Api<ConfigMap> = Api::namespaced(server.client.clone(), "nowhere");
    expect(
        elsewhere.create(&create, &map("a", "1")).await.unwrap_err(),
        (404, "NotFound"),
    );
    server.running.stop().await;
}

#[tokio::test]
async fn only_the_token_opens_and_the_kubeconfig_is_private() {
    let server = start().await;
    let path = server.running.kubeconfig();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let broken = server.directory.path().join("broken");
    let text = std::fs::read_to_string(path).unwrap();
    let token = text
        .lines()
        .find(|line| line.contains("token:"))
        .unwrap()
        .trim();
    std::fs::write(&broken, text.replace(token, "token: guess")).unwrap();
    let maps: Api<ConfigMap> = Api::default_namespaced(client(&broken).await);
    let refused = maps.list(&ListParams::default()).await.unwrap_err();
    assert_eq!(code(refused), (401, "Unauthorized".to_owned()));
    server.running.stop().await;
}

#[tokio::test]
async fn what_cannot_start_says_why() {
    let server = start().await;
    let other = tempfile::tempdir().unwrap();
    let busy = Config {
        address: server.running.address(),
        ..Config::new(other.path())
    };
    let error = serve(busy).await.unwrap_err();
    assert!(
        matches!(error, ServeError::Listen { .. }) && error.to_string().contains("another port")
    );
    let missing = serve(Config::new(other.path().join("missing")))
        .await
        .unwrap_err();
    assert!(
        missing.to_string().contains("must exist and be writable"),
        "{missing}"
    );
    let mut public = Config::new(other.path());
    public.address = "0.0.0.0:0".parse().unwrap();
    assert!(matches!(
        serve(public).await.unwrap_err(),
        ServeError::NotLoopback(_)
    ));
    assert!(std::fs::read_dir(other.path()).unwrap().next().is_none());
    server.running.stop().await;
}

#[tokio::test]
async fn a_watch_from_a_list_sees_every_change_once() {
    let server = start().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(server.client.clone());
    let listed = maps.list(&ListParams::default()).await.unwrap();
    let version = listed.metadata.resource_version.unwrap();
    maps.create(&PostParams::default(), &map("a", "1"))
        .await
        .unwrap();
    maps.create(&PostParams::default(), &map("b", "1"))
        .await
        .unwrap();
    let change = Patch::Merge(json!({"data": {"key": "2"}}));
    maps.patch("a", &PatchParams::default(), &change)
        .await
        .unwrap();
    // The same again changes nothing, and is not seen.
    maps.patch("a", &PatchParams::default(), &change)
        .await
        .unwrap();
    maps.delete("a", &DeleteParams::default()).await.unwrap();
    let parameters = WatchParams::default().labels("name=a").timeout(1);
    let events: Vec<_> = maps
        .watch(&parameters, &version)
        .await
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    let kinds: Vec<&str> = events
        .iter()
        .filter_map(|event| match event {
            WatchEvent::Added(_) => Some("added"),
            WatchEvent::Modified(_) => Some("modified"),
            WatchEvent::Deleted(_) => Some("deleted"),
            WatchEvent::Bookmark(_) => None,
            WatchEvent::Error(status) => panic!("{status:?}"),
        })
        .collect();
    assert_eq!(kinds, ["added", "modified", "deleted"]);
    assert!(matches!(events.last(), Some(WatchEvent::Bookmark(_))));
    server.running.stop().await;
}

#[tokio::test]
async fn forgotten_history_is_gone() {
    let server = start_with(StoreLimits {
        history: 3,
        ..StoreLimits::default()
    })
    .await;
    let maps: Api<ConfigMap> = Api::default_namespaced(server.client.clone());
    let version = maps
        .list(&ListParams::default())
        .await
        .unwrap()
        .metadata
        .resource_version;
    for name in ["a", "b", "c", "d"] {
        maps.create(&PostParams::default(), &map(name, "1"))
            .await
            .unwrap();
    }
    let watch = maps
        .watch(&WatchParams::default(), &version.unwrap())
        .await
        .unwrap();
    let event = watch.boxed().try_next().await.unwrap().unwrap();
    assert!(
        matches!(&event, WatchEvent::Error(status) if status.code == 410),
        "{event:?}"
    );
    server.running.stop().await;
}

#[tokio::test]
async fn both_ways_of_the_initial_list_work() {
    let server = start().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(server.client.clone());
    for name in ["a", "b", "c"] {
        maps.create(&PostParams::default(), &map(name, "1"))
            .await
            .unwrap();
    }
    let paged = watcher::Config::default().page_size(2);
    for config in [paged, watcher::Config::default().streaming_lists()] {
        let mut objects = watcher(maps.clone(), config).applied_objects().boxed();
        for expected in ["a", "b", "c"] {
            assert_eq!(
                objects.try_next().await.unwrap().unwrap().name_any(),
                expected
            );
        }
        let late = map("late", "1");
        maps.create(&PostParams::default(), &late).await.unwrap();
        assert_eq!(
            objects.try_next().await.unwrap().unwrap().name_any(),
            "late"
        );
        maps.delete("late", &DeleteParams::default()).await.unwrap();
    }
    server.running.stop().await;
}

#[tokio::test]
async fn scale_and_status_are_subresources() {
    let server = start().await;
    let api: Api<Deployment> = Api::default_namespaced(server.client.clone());
    let mut object = deployment("web", 2, json!({}));
    object.status = serde_json::from_value(json!({"replicas": 9})).unwrap();
    let created = api.create(&PostParams::default(), &object).await.unwrap();
    assert_eq!(
        created.status.unwrap_or_default().replicas,
        None,
        "status is not the client's"
    );
    assert_eq!(created.metadata.generation, Some(1));
    let parameters = PatchParams::default();
    let scale: Scale = api
        .patch_scale(
            "web",
            &parameters,
            &Patch::Merge(json!({"spec": {"replicas": 5}})),
        )
        .await
        .unwrap();
    assert_eq!(scale.spec.unwrap().replicas, Some(5));
    assert_eq!(scale.status.unwrap().selector.as_deref(), Some("app=web"));
    let negative = Patch::Merge(json!({"spec": {"replicas": -1}}));
    let bad = api.patch_scale("web", &parameters, &negative);
    assert_eq!(code(bad.await.unwrap_err()), (422, "Invalid".to_owned()));
    let status = Patch::Merge(json!({"status": {"replicas": 5}, "spec": {"replicas": 7}}));
    let after = api.patch_status("web", &parameters, &status).await.unwrap();
    assert_eq!(after.status.unwrap().replicas, Some(5));
    assert_eq!(
        after.spec.replicas,
        Some(5),
        "a status patch leaves the spec alone"
    );
    assert_eq!(after.metadata.generation, Some(2));
    server.running.stop().await;
}

#[tokio::test]
async fn pods_on_a_node_end_when_the_node_says_so() {
    let server = start().await;
    let pods: Api<Pod> = Api::default_namespaced(server.client.clone());
    let pod: Pod = serde_json::from_value(json!({
        "metadata": {"name": "a"},
        "spec": {"containers": [{"name": "a", "image": "x"}], "terminationGracePeriodSeconds": 7},
    }))
    .unwrap();
    pods.create(&PostParams::default(), &pod).await.unwrap();
    let binding = json!({"target": {"kind": "Node", "name": "n"}});
    let bind = || async {
        let bound: Result<kube::core::Status, _> = pods
            .create_subresource("binding", "a", &PostParams::default(), &binding)
            .await;
        bound
    };
    bind().await.unwrap();
    assert_eq!(
        code(bind().await.unwrap_err()).0,
        409,
        "a pod is bound once"
    );
    pods.delete("a", &DeleteParams::default()).await.unwrap();
    let ending = pods.get("a").await.unwrap();
    assert!(ending.metadata.deletion_timestamp.is_some());
    assert_eq!(ending.metadata.deletion_grace_period_seconds, Some(7));
    pods.delete("a", &DeleteParams::default().grace_period(0))
        .await
        .unwrap();
    assert!(pods.get_opt("a").await.unwrap().is_none());
    server.running.stop().await;
}

#[tokio::test]
async fn a_stop_ends_watches() {
    let server = start().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(server.client.clone());
    let mut events = maps
        .watch(&WatchParams::default(), "0")
        .await
        .unwrap()
        .boxed();
    let address = server.running.address();
    server.running.stop().await;
    let end = tokio::time::timeout(std::time::Duration::from_secs(5), events.next())
        .await
        .unwrap();
    assert!(end.is_none_or(|event| event.is_err()));
    assert!(
        std::net::TcpListener::bind(address).is_ok(),
        "the port is free again"
    );
}
