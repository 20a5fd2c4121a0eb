//! The rest of the cluster: deployments, and pods that follow their replica counts.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use crate::faults::NODES;
use crate::host::wall_time;
use crate::world::{RunningPod, World, node_name};

/// The deployments: `web` answers page faults in proportion, `cart` waiting by queueing.
pub(crate) const DEPLOYMENTS: [&str; 2] = ["web", "cart"];
/// How often pods are brought into line.
const SYNC: Duration = Duration::from_millis(200);
/// From a pod's creation until it is ready.
const START_UP: Duration = Duration::from_millis(1_500);

/// What somebody does to a deployment.
#[derive(Debug)]
pub(crate) enum Order {
    Scale { deployment: usize, replicas: u32 },
    Recreate { deployment: usize },
}

struct Managed {
    index: usize,
    name: &'static str,
    replica_set: Value,
    /// Numbers pods, over all lives of the deployment.
    next_pod: usize,
    pods: VecDeque<KubePod>,
    ready_told: usize,
}

struct KubePod {
    name: String,
    uid: String,
    node: usize,
    ready_at: Instant,
    ready: bool,
}

/// Runs for as long as it is polled.
pub(crate) async fn run(world: Arc<World>, client: Client, mut orders: mpsc::Receiver<Order>) {
    let mut all = Vec::new();
    for (index, name) in DEPLOYMENTS.into_iter().enumerate() {
        let replica_set = create(&client, name).await;
        told(&world, index, 1);
        all.push(Managed {
            index,
            name,
            replica_set,
            next_pod: 0,
            pods: VecDeque::new(),
            ready_told: 0,
        });
    }
    loop {
        while let Ok(order) = orders.try_recv() {
            match order {
                Order::Scale {
                    deployment,
                    replicas,
                } => {
                    let patch = Patch::Merge(json!({"spec": {"replicas": replicas}}));
                    deployments(&client)
                        .patch_scale(DEPLOYMENTS[deployment], &PatchParams::default(), &patch)
                        .await
                        .unwrap();
                    told(&world, deployment, replicas);
                }
                Order::Recreate { deployment } => all[deployment].recreate(&world, &client).await,
            }
        }
        for managed in &mut all {
            managed.sync(&client).await;
        }
        world.lock().pods = all.iter().flat_map(|managed| managed.running()).collect();
        sleep(SYNC).await;
    }
}

fn told(world: &World, deployment: usize, replicas: u32) {
    let state = &mut *world.lock();
    state.oracle.set_replicas(state.now, deployment, replicas);
}

fn deployments(client: &Client) -> Api<Deployment> {
    Api::namespaced(client.clone(), "default")
}

fn replica_sets(client: &Client) -> Api<ReplicaSet> {
    Api::namespaced(client.clone(), "default")
}

fn pods(client: &Client) -> Api<Pod> {
    Api::namespaced(client.clone(), "default")
}

fn owner(kind: &str, name: &str, uid: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": uid, "controller": true})
}

/// Creates a deployment of one replica and its ReplicaSet; returns how the latter's pods refer to it.
async fn create(client: &Client, name: &str) -> Value {
    let template = json!({"metadata": {"labels": {"app": name}},
                          "spec": {"containers": [{"name": "server", "image": "none"}]}});
    let selector = json!({"matchLabels": {"app": name}});
    let deployment: Deployment = serde_json::from_value(json!({
        "metadata": {"name": name},
        "spec": {"replicas": 1, "selector": selector, "template": template},
    }))
    .unwrap();
    let create = PostParams::default();
    let deployment = deployments(client)
        .create(&create, &deployment)
        .await
        .unwrap();
    let replica_set: ReplicaSet = serde_json::from_value(json!({
        "metadata": {"name": format!("{name}-1"), "labels": {"app": name},
                     "ownerReferences": [owner("Deployment", name, &deployment.uid().unwrap())]},
        "spec": {"replicas": 1, "selector": selector, "template": template},
    }))
    .unwrap();
    let replica_set = replica_sets(client)
        .create(&create, &replica_set)
        .await
        .unwrap();
    owner(
        "ReplicaSet",
        &replica_set.name_any(),
        &replica_set.uid().unwrap(),
    )
}

impl Managed {
    async fn recreate(&mut self, world: &World, client: &Client) {
        while !self.pods.is_empty() {
            self.delete_pod(client).await;
        }
        let now = DeleteParams::default().grace_period(0);
        let replica_set = format!("{}-1", self.name);
        replica_sets(client)
            .delete(&replica_set, &now)
            .await
            .unwrap();
        deployments(client).delete(self.name, &now).await.unwrap();
        self.replica_set = create(client, self.name).await;
        self.ready_told = 0;
        told(world, self.index, 1);
    }

    async fn sync(&mut self, client: &Client) {
        let deployment = deployments(client).get(self.name).await.unwrap();
        let wanted = deployment.spec.replicas.unwrap_or(1);
        let wanted = usize::try_from(wanted).unwrap_or(0);
        while self.pods.len() < wanted {
            self.create_pod(client).await;
        }
        while self.pods.len() > wanted {
            self.delete_pod(client).await;
        }
        for pod in self.pods.iter_mut().filter(|pod| !pod.ready) {
            if Instant::now() >= pod.ready_at {
                pod.ready = true;
                set_status(client, pod).await;
            }
        }
        // As the Deployment controller does, so that the version changes while pods come and go.
        let ready = self.pods.iter().filter(|pod| pod.ready).count();
        if ready != self.ready_told {
            self.ready_told = ready;
            let patch = Patch::Merge(json!({"status": {"readyReplicas": ready}}));
            deployments(client)
                .patch_status(self.name, &PatchParams::default(), &patch)
                .await
                .unwrap();
        }
    }

    async fn create_pod(&mut self, client: &Client) {
        let name = format!("{}-{:04}", self.name, self.next_pod);
        let node = self.next_pod % NODES;
        self.next_pod += 1;
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": name, "labels": {"app": self.name},
                         "ownerReferences": [self.replica_set]},
            "spec": {"nodeName": node_name(node), "containers": [{"name": "server",
                     "image": "none", "resources": {"limits": {"cpu": "200m"}}}]},
        }))
        .unwrap();
        let created = pods(client)
            .create(&PostParams::default(), &pod)
            .await
            .unwrap();
        let pod = KubePod {
            name,
            uid: created.uid().unwrap(),
            node,
            ready_at: Instant::now() + START_UP,
            ready: false,
        };
        set_status(client, &pod).await;
        self.pods.push_back(pod);
    }

    async fn delete_pod(&mut self, client: &Client) {
        if let Some(pod) = self.pods.pop_back() {
            let now = DeleteParams::default().grace_period(0);
            pods(client).delete(&pod.name, &now).await.unwrap();
        }
    }

    fn running(&self) -> impl Iterator<Item = RunningPod> {
        self.pods.iter().map(|pod| RunningPod {
            deployment: self.index,
            uid: pod.uid.clone(),
            node: pod.node,
            ready: pod.ready,
        })
    }
}

async fn set_status(client: &Client, pod: &KubePod) {
    let ready = if pod.ready { "True" } else { "False" };
    let started = wall_time().to_string();
    let mut status = json!({
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": ready}],
        "containerStatuses": [{"name": "server", "image": "none", "imageID": "",
            "ready": pod.ready, "restartCount": 0,
            "containerID": format!("viperscale://{}", pod.name),
            "state": {"running": {"startedAt": started}}}],
    });
    if !pod.ready {
        status["startTime"] = json!(started);
    }
    let patch = Patch::Merge(json!({"status": status}));
    pods(client)
        .patch_status(&pod.name, &PatchParams::default(), &patch)
        .await
        .unwrap();
}
