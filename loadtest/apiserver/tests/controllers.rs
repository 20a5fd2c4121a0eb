//! The controllers, over real HTTPS, with a node that pretends to run pods.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod support;

use std::time::{Duration, Instant};

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt};
use serde_json::json;
use support::{Cluster, deployment, eventually, pods_of, settled};

fn deployments(client: &Client) -> Api<Deployment> {
    Api::default_namespaced(client.clone())
}

async fn create(client: &Client, object: Deployment, replicas: i32) -> Api<Deployment> {
    let api = deployments(client);
    api.create(&PostParams::default(), &object).await.unwrap();
    settled(&api, &object.name_any(), replicas).await;
    api
}

#[tokio::test(flavor = "multi_thread")]
async fn scaling_reaches_bound_pods_within_milliseconds() {
    let cluster = Cluster::start().await.with_node().await;
    let api = create(&cluster.client, deployment("web", 1, json!({})), 1).await;
    let mut times = Vec::new();
    for replicas in [3, 6, 9, 12, 15] {
        let patch = json!({"spec": {"replicas": replicas}});
        let start = Instant::now();
        api.patch_scale("web", &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .unwrap();
        eventually("pods are bound", || async {
            let pods = pods_of(&cluster.client, "web").await;
            let bound = pods
                .iter()
                .filter(|pod| pod.spec.as_ref().unwrap().node_name.is_some());
            let bound = i32::try_from(bound.count()).unwrap();
            if bound == replicas {
                Ok(())
            } else {
                Err(bound)
            }
        })
        .await;
        times.push(start.elapsed());
        settled(&api, "web", replicas).await;
    }
    times.sort();
    println!("from PATCH to bound pods: {times:?}");
    // Tens of milliseconds on an idle machine; the bound is for a busy one, and far below any
    // polling interval that could hide here.
    assert!(times[2] < Duration::from_secs(2), "{times:?}");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_update_replaces_all_pods_and_never_lacks_too_many() {
    let cluster = Cluster::start().await.with_node().await;
    let strategy =
        json!({"spec": {"strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}}});
    let api = create(&cluster.client, deployment("web", 4, strategy), 4).await;
    let image = json!({"spec": {"template": {"spec": {"containers": [{"name": "server", "image": "shop:2"}]}}}});
    api.patch("web", &PatchParams::default(), &Patch::Strategic(&image))
        .await
        .unwrap();
    let watching = {
        let client = cluster.client.clone();
        let replica_sets = Api::<ReplicaSet>::namespaced(client.clone(), "default");
        async move {
            loop {
                // Wanted, not present: as in Kubernetes, a pod that is given up stays until its
                // ReplicaSet gets to it, and its successor is not held up for that.
                let sets = replica_sets.list(&ListParams::default()).await.unwrap();
                let wanted: i32 = sets.iter().filter_map(|set| set.spec.replicas).sum();
                let pods = pods_of(&client, "web").await;
                let ready = pods.iter().filter(|pod| {
                    let status = pod.status.as_ref().unwrap();
                    pod.metadata.deletion_timestamp.is_none() && status.pod_ip.is_some()
                });
                let ready = ready.count();
                assert!(wanted <= 5 && ready >= 4, "{wanted} wanted, {ready} ready");
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
    };
    tokio::select! {
        () = watching => {}
        _ = settled(&api, "web", 4) => {}
    }
    for pod in pods_of(&cluster.client, "web").await {
        if pod.metadata.deletion_timestamp.is_none() {
            assert_eq!(
                pod.spec.unwrap().containers[0].image.as_deref(),
                Some("shop:2")
            );
        }
    }
    let sets: Api<ReplicaSet> = Api::default_namespaced(cluster.client.clone());
    assert_eq!(
        sets.list(&ListParams::default()).await.unwrap().items.len(),
        2
    );
    let deployment = api.get("web").await.unwrap();
    assert_eq!(
        deployment.annotations()["deployment.kubernetes.io/revision"],
        "2"
    );
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn recreate_never_mixes_revisions() {
    let cluster = Cluster::start().await.with_node().await;
    let strategy = json!({"spec": {"strategy": {"type": "Recreate"}}});
    let api = create(&cluster.client, deployment("web", 3, strategy), 3).await;
    let image = json!({"spec": {"template": {"spec": {"containers": [{"name": "server", "image": "shop:2"}]}}}});
    api.patch("web", &PatchParams::default(), &Patch::Strategic(&image))
        .await
        .unwrap();
    let watching = async {
        loop {
            let pods = pods_of(&cluster.client, "web").await;
            let mut images: Vec<_> = pods
                .iter()
                .map(|pod| &pod.spec.as_ref().unwrap().containers[0].image)
                .collect();
            images.dedup();
            images.sort();
            images.dedup();
            assert!(images.len() <= 1, "{images:?}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::select! {
        () = watching => {}
        _ = settled(&api, "web", 3) => {}
    }
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_follow_ready_pods() {
    let cluster = Cluster::start().await.with_node().await;
    let service: Service = serde_json::from_value(json!({
        "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
    }))
    .unwrap();
    let services: Api<Service> = Api::default_namespaced(cluster.client.clone());
    let service = services
        .create(&PostParams::default(), &service)
        .await
        .unwrap();
    assert!(
        service
            .spec
            .unwrap()
            .cluster_ip
            .unwrap()
            .starts_with("127.96.")
    );
    let api = create(&cluster.client, deployment("web", 2, json!({})), 2).await;
    let slices: Api<EndpointSlice> = Api::default_namespaced(cluster.client.clone());
    let by_service = ListParams::default().labels("kubernetes.io/service-name=web");
    let (slices, by_service) = (&slices, &by_service);
    let ready_endpoints = |wanted: usize| {
        eventually("the slice lists the ready pods", move || async move {
            let slices = slices.list(by_service).await.unwrap().items;
            let ready = slices
                .iter()
                .flat_map(|slice| slice.endpoints.iter().flatten())
                .filter(|endpoint| endpoint.conditions.as_ref().unwrap().ready == Some(true))
                .count();
            if ready == wanted { Ok(()) } else { Err(ready) }
        })
    };
    ready_endpoints(2).await;
    let patch = json!({"spec": {"replicas": 5}});
    api.patch_scale("web", &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .unwrap();
    ready_endpoints(5).await;
    services
        .delete("web", &DeleteParams::default())
        .await
        .unwrap();
    eventually("slices go with their service", || async {
        let left = slices.list(by_service).await.unwrap().items.len();
        if left == 0 { Ok(()) } else { Err(left) }
    })
    .await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deletion_cascades_in_each_way() {
    let cluster = Cluster::start().await.with_node().await;
    let client = &cluster.client;
    let sets: Api<ReplicaSet> = Api::default_namespaced(client.clone());
    let gone = |name: &'static str| {
        let (sets, client) = (sets.clone(), client.clone());
        eventually("sets and pods are gone", move || {
            let (sets, client) = (sets.clone(), client.clone());
            async move {
                let selector = ListParams::default().labels(&format!("app={name}"));
                let left = (
                    sets.list(&selector).await.unwrap().items.len(),
                    pods_of(&client, name).await.len(),
                );
                if left == (0, 0) { Ok(()) } else { Err(left) }
            }
        })
    };
    let api = create(client, deployment("background", 2, json!({})), 2).await;
    api.delete("background", &DeleteParams::background())
        .await
        .unwrap();
    gone("background").await;
    create(client, deployment("foreground", 2, json!({})), 2).await;
    api.delete("foreground", &DeleteParams::foreground())
        .await
        .unwrap();
    eventually("the owner goes last", || async {
        let owner = api.get_opt("foreground").await.unwrap();
        let pods = pods_of(client, "foreground").await.len();
        assert!(
            owner.is_some() || pods == 0,
            "owner gone before {pods} pods"
        );
        if owner.is_none() { Ok(()) } else { Err(pods) }
    })
    .await;
    gone("foreground").await;
    create(client, deployment("orphan", 2, json!({})), 2).await;
    api.delete("orphan", &DeleteParams::orphan()).await.unwrap();
    eventually("the owner is gone", || async {
        if api.get_opt("orphan").await.unwrap().is_none() {
            Ok(())
        } else {
            Err("there")
        }
    })
    .await;
    let selector = ListParams::default().labels("app=orphan");
    let left = sets.list(&selector).await.unwrap().items;
    assert_eq!(left.len(), 1);
    assert!(left[0].owner_references().is_empty());
    assert_eq!(pods_of(client, "orphan").await.len(), 2);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_goes_with_its_content() {
    let cluster = Cluster::start().await.with_node().await;
    let namespaces: Api<Namespace> = Api::all(cluster.client.clone());
    let namespace: Namespace =
        serde_json::from_value(json!({"metadata": {"name": "shop"}})).unwrap();
    namespaces
        .create(&PostParams::default(), &namespace)
        .await
        .unwrap();
    let api: Api<Deployment> = Api::namespaced(cluster.client.clone(), "shop");
    api.create(&PostParams::default(), &deployment("web", 2, json!({})))
        .await
        .unwrap();
    settled(&api, "web", 2).await;
    namespaces
        .delete("shop", &DeleteParams::default())
        .await
        .unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(cluster.client.clone(), "shop");
    let map: ConfigMap = serde_json::from_value(json!({"metadata": {"name": "late"}})).unwrap();
    let error = maps.create(&PostParams::default(), &map).await.unwrap_err();
    assert!(
        matches!(&error, kube::Error::Api(status) if status.code == 403 || status.code == 404),
        "{error}"
    );
    eventually("the namespace is gone", || async {
        if namespaces.get_opt("shop").await.unwrap().is_none() {
            Ok(())
        } else {
            Err("there")
        }
    })
    .await;
    let pods: Api<Pod> = Api::all(cluster.client.clone());
    assert!(
        pods.list(&ListParams::default())
            .await
            .unwrap()
            .items
            .is_empty()
    );
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_without_room_say_why_and_go_when_there_is() {
    let cluster = Cluster::start().await;
    let api = deployments(&cluster.client);
    api.create(&PostParams::default(), &deployment("web", 1, json!({})))
        .await
        .unwrap();
    eventually("the pod says why it waits", || async {
        let pods = pods_of(&cluster.client, "web").await;
        let conditions = pods.first().and_then(|pod| pod.status.clone()?.conditions);
        let reason = conditions
            .iter()
            .flatten()
            .find_map(|condition| condition.reason.clone());
        if reason.as_deref() == Some("Unschedulable") {
            Ok(())
        } else {
            Err(reason)
        }
    })
    .await;
    let cluster = cluster.with_node().await;
    settled(&api, "web", 1).await;
    cluster.stop().await;
}
