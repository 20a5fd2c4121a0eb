//! A cluster with scaler and agent in it, and what the tests do with it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Event, Namespace, Service};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, Client};
use loadtest::local::{LocalCluster, Process, Processes, client, node_process};
use loadtest::viperscale::{agent_process, free_addresses, scaler_process};
use tempfile::TempDir;

use crate::{eventually, programs};

/// A kubeconfig of a control plane to join instead of starting one.
const KUBECONFIG: &str = "VIPERSCALE_E2E_KUBECONFIG";

/// The namespace of everything that the tests create.
const NAMESPACE: &str = "viperscale-e2e";

/// How long pods may take to be ready.
const READY: Duration = Duration::from_secs(30);

/// A running cluster; ended by [`TestCluster::stop`], or by the kernel when the test dies.
pub struct TestCluster {
    dir: TempDir,
    kubeconfig: PathBuf,
    client: Client,
    local: Option<LocalCluster>,
    processes: Processes,
    admin: Option<std::net::SocketAddr>,
}

impl TestCluster {
    /// Starts a local cluster, or joins the one that the environment names.
    ///
    /// # Panics
    /// When that fails.
    pub async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut processes = Processes::default();
        let (local, kubeconfig) = match std::env::var_os(KUBECONFIG) {
            None => {
                let mut local = LocalCluster::default();
                local
                    .start(programs(), dir.path(), dir.path())
                    .await
                    .unwrap();
                let kubeconfig = local.kubeconfig().to_owned();
                (Some(local), kubeconfig)
            }
            Some(kubeconfig) => {
                let kubeconfig = PathBuf::from(kubeconfig);
                let node = node_process(programs(), &kubeconfig, dir.path());
                processes.push(Process::start(node, dir.path()).unwrap());
                (None, kubeconfig)
            }
        };
        let client = client(&kubeconfig).await.unwrap();
        let cluster = Self {
            dir,
            kubeconfig,
            client,
            local,
            processes,
            admin: None,
        };
        let namespace: Namespace = serde_json::from_value(serde_json::json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE},
        }))
        .unwrap();
        let namespaces: Api<Namespace> = Api::all(cluster.client.clone());
        let apply = PatchParams::apply("viperscale-tests").force();
        namespaces
            .patch(NAMESPACE, &apply, &Patch::Apply(namespace))
            .await
            .unwrap();
        cluster
    }

    /// Where this cluster's logs and files are.
    pub fn directory(&self) -> &Path {
        self.dir.path()
    }

    /// The kubeconfig of the cluster.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Deploys a service whose requests cost `cpu_us` each, one replica of 200m, and waits for it.
    ///
    /// # Panics
    /// When it does not become ready.
    pub async fn deploy(&self, name: &str, cpu_us: u32) {
        let labels = serde_json::json!({"app": name});
        let deployment: Deployment = serde_json::from_value(serde_json::json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {
                    "terminationGracePeriodSeconds": 5,
                    "containers": [{
                        "name": "server",
                        "image": "viperscale.dev/demo-shop",
                        "command": [programs().demo_shop],
                        "args": ["productcatalogservice"],
                        "env": [
                            {"name": "POD_IP",
                             "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
                            {"name": "SHOP_CPU_US", "value": cpu_us.to_string()},
                        ],
                        "resources": {"requests": {"cpu": "100m", "memory": "32Mi"},
                                      "limits": {"cpu": "200m", "memory": "128Mi"}},
                        "readinessProbe": {"httpGet": {"path": "/_healthz", "port": 3550},
                                           "periodSeconds": 1},
                    }],
                }},
            },
        }))
        .unwrap();
        let service: Service = serde_json::from_value(serde_json::json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
            "spec": {"selector": labels, "ports": [{"port": 3550}]},
        }))
        .unwrap();
        let apply = PatchParams::apply("viperscale-tests").force();
        self.services()
            .patch(name, &apply, &Patch::Apply(service))
            .await
            .unwrap();
        self.deployments()
            .patch(name, &apply, &Patch::Apply(deployment))
            .await
            .unwrap();
        eventually(&format!("a ready pod of {name}"), READY, async || {
            (self.ready_replicas(name).await == 1).then_some(())
        })
        .await;
    }

    /// Starts the scaler with `policies` (a YAML document) and the agent, and waits for data.
    ///
    /// # Panics
    /// When either does not start or no policy gets data.
    pub async fn autoscale(&mut self, policies: &str) {
        let folder = self.dir.path().join("policies");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("policies.yaml"), policies).unwrap();
        let [grpc, admin, agent_admin] = free_addresses().unwrap();
        let scaler = scaler_process(programs(), &self.kubeconfig, folder, grpc, admin);
        let agent = agent_process(programs(), grpc, agent_admin);
        for process in [scaler, agent] {
            self.processes
                .push(Process::start(process, self.dir.path()).unwrap());
        }
        self.admin = Some(admin);
    }

    /// Replaces the policies while the scaler runs, as an editor does: another file takes the name.
    ///
    /// # Panics
    /// Before [`TestCluster::autoscale`].
    pub fn change_policies(&self, policies: &str) {
        let folder = self.dir.path().join("policies");
        let next = folder.join(".next");
        std::fs::write(&next, policies).unwrap();
        std::fs::rename(next, folder.join("policies.yaml")).unwrap();
    }

    /// Names of the eBPF programs that the agent holds, as the kernel tells them.
    ///
    /// # Panics
    /// Before [`TestCluster::autoscale`].
    pub fn agent_programs(&self) -> BTreeSet<String> {
        let mut pids = self.processes.pids();
        let (_, pid) = pids.find(|(name, _)| *name == "probe-agent").unwrap();
        let held: BTreeSet<u32> = std::fs::read_dir(format!("/proc/{pid}/fdinfo"))
            .unwrap()
            .flatten()
            .filter_map(|entry| std::fs::read_to_string(entry.path()).ok())
            .filter_map(|info| {
                info.lines()
                    .find_map(|line| line.strip_prefix("prog_id:")?.trim().parse().ok())
            })
            .collect();
        // One that is unloaded while the list is read is left out.
        aya::programs::loaded_programs()
            .flatten()
            .filter(|program| held.contains(&program.id()))
            .filter_map(|program| Some(program.name_as_str()?.to_owned()))
            .collect()
    }

    /// What the scaler decided last about each deployment.
    ///
    /// # Panics
    /// Before [`TestCluster::autoscale`].
    pub async fn decisions(&self) -> loadtest::viperscale::Decisions {
        let admin = self.admin.expect("the scaler has been started");
        let reader = loadtest::viperscale::DecisionReader::new(admin).unwrap();
        reader.newest().await.unwrap_or_default()
    }

    /// The address of a service of [`TestCluster::deploy`].
    ///
    /// # Panics
    /// When it has none.
    pub async fn url(&self, name: &str) -> String {
        let service = self.services().get(name).await.unwrap();
        let address = service.spec.and_then(|spec| spec.cluster_ip).unwrap();
        format!("http://{address}:3550/products/OLJCESPC7Z")
    }

    /// `spec.replicas` of a deployment.
    ///
    /// # Panics
    /// When it does not exist.
    pub async fn replicas(&self, name: &str) -> i32 {
        let deployment = self.deployments().get(name).await.unwrap();
        deployment.spec.replicas.unwrap_or(1)
    }

    /// `status.readyReplicas` of a deployment.
    ///
    /// # Panics
    /// When it does not exist.
    pub async fn ready_replicas(&self, name: &str) -> i32 {
        let deployment = self.deployments().get(name).await.unwrap();
        deployment
            .status
            .and_then(|status| status.ready_replicas)
            .unwrap_or(0)
    }

    /// Messages of the events that scalings left on a deployment.
    ///
    /// # Panics
    /// When events cannot be listed.
    pub async fn rescale_events(&self, name: &str) -> Vec<String> {
        let events: Api<Event> = Api::namespaced(self.client.clone(), NAMESPACE);
        let events = events.list(&ListParams::default()).await.unwrap();
        let about = |event: &Event| {
            event.involved_object.name.as_deref() == Some(name)
                && event.reason.as_deref() == Some("SuccessfulRescale")
        };
        events
            .into_iter()
            .filter(about)
            .filter_map(|event| event.message)
            .collect()
    }

    /// Ends everything and removes what was created.
    pub async fn stop(mut self) {
        if self.local.is_none() {
            let namespaces: Api<Namespace> = Api::all(self.client.clone());
            namespaces
                .delete(NAMESPACE, &DeleteParams::default())
                .await
                .unwrap();
        }
        self.processes.stop().await;
        if let Some(local) = self.local.take() {
            local.stop().await;
        }
    }

    fn deployments(&self) -> Api<Deployment> {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    fn services(&self) -> Api<Service> {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }
}
