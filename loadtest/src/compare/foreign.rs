//! A cluster of the user's: reachable, allowed, and free of rivals, found out before anything is created.

use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use comparison::Scenario;
use comparison::record::Machine;
use comparison::scenario::ShopSource;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{Namespace, Node};
use kube::api::ListParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use stock_hpa::Quantity;

use super::rig::is_ours;
use super::rights;

/// How long the cluster may take to answer at all.
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);

/// How the runtime of a `loadtest node` names itself.
const RUNTIME: &str = "viperscale://";

/// A cluster that was there before us and stays.
pub(super) struct ForeignCluster {
    /// Its API server.
    pub(super) client: Client,
    /// Address of its API server.
    pub(super) server: String,
    /// Its version, such as `v1.36.1`.
    pub(super) version: String,
    /// The `loadtest node` that joined it, where one did; empty otherwise.
    pub(super) node: String,
    /// Whether that node is this machine, so that pods' clocks can be read here.
    pub(super) node_is_here: bool,
    /// What it runs on.
    pub(super) machine: Machine,
    kubeconfig: Kubeconfig,
}

impl ForeignCluster {
    /// Looks at the cluster and changes nothing. What a killed comparison left there is no obstacle.
    ///
    /// # Errors
    /// When it cannot be reached, does not allow what is needed, lacks what `scenarios` scale, or already has an HPA for
    /// it; and what to do about it.
    pub(super) async fn check(
        path: &Path,
        context: Option<&str>,
        scenarios: &[Scenario],
        host_given: bool,
    ) -> Result<Self> {
        let what = || format!("--kubeconfig {}", path.display());
        let mut kubeconfig = Kubeconfig::read_from(path).with_context(what)?;
        if let Some(context) = context {
            ensure!(
                kubeconfig
                    .contexts
                    .iter()
                    .any(|known| known.name == context),
                "--context {context}: {} has only {}",
                path.display(),
                contexts(&kubeconfig)
            );
            kubeconfig.current_context = Some(context.to_owned());
        }
        let mut config =
            Config::from_custom_kubeconfig(kubeconfig.clone(), &KubeConfigOptions::default())
                .await
                .with_context(what)?;
        config.connect_timeout = Some(ANSWER_DEADLINE);
        let server = config.cluster_url.to_string();
        let client = Client::try_from(config).with_context(what)?;
        let version = reach(&client, &server, path).await?;
        for scenario in scenarios {
            rights::check(&client, scenario).await.with_context(what)?;
        }
        let nodes: Api<Node> = Api::all(client.clone());
        let nodes = nodes
            .list(&ListParams::default())
            .await
            .context("cannot list nodes")?
            .items;
        let node = nodes.iter().find(|node| is_loadtest_node(node));
        let node = node.and_then(|node| node.metadata.name.clone());
        let cluster = Self {
            machine: machine(&server, &nodes),
            node_is_here: node.as_deref().is_some_and(is_here),
            node: node.unwrap_or_default(),
            client,
            server,
            version,
            kubeconfig,
        };
        for scenario in scenarios {
            cluster.check_scenario(scenario, host_given).await?;
        }
        Ok(cluster)
    }

    async fn check_scenario(&self, scenario: &Scenario, host_given: bool) -> Result<()> {
        let namespace = scenario.namespace.as_str();
        match scenario.shop.source {
            ShopSource::Demo => {
                ensure!(
                    !self.node.is_empty(),
                    "the demo shop needs a node that runs pods as processes, and {} has none: join one with `loadtest \
                     node --kubeconfig FILE`, or compare on the Deployments that the cluster has, with --existing",
                    self.server
                );
                let namespaces: Api<Namespace> = Api::all(self.client.clone());
                let found = namespaces.get_opt(namespace).await?;
                ensure!(
                    found.is_none_or(|found| is_ours(&found.metadata)),
                    "{} has a namespace {namespace} already, where the demo shop would be created: remove it, or \
                     compare on its Deployments, with --existing",
                    self.server
                );
            }
            ShopSource::Existing => {
                let deployments: Api<Deployment> = Api::namespaced(self.client.clone(), namespace);
                for deployment in &scenario.deployments {
                    let name = &deployment.name;
                    ensure!(
                        deployments.get_opt(name).await?.is_some(),
                        "scenario {} scales deployment {namespace}/{name}, which {} does not have: deploy it first, or \
                         name its namespace with --namespace",
                        scenario.name,
                        self.server
                    );
                }
                if !host_given && scenario.shop.frontend.is_none() {
                    crate::shop::frontend(&self.client, namespace)
                        .await
                        .context("name the shop's address with --host")?;
                }
            }
        }
        self.refuse_rivals(scenario).await
    }

    /// Two autoscalers of one Deployment fight.
    async fn refuse_rivals(&self, scenario: &Scenario) -> Result<()> {
        let namespace = scenario.namespace.as_str();
        let hpas: Api<HorizontalPodAutoscaler> = Api::namespaced(self.client.clone(), namespace);
        let hpas = hpas
            .list(&ListParams::default())
            .await
            .context("cannot list HPA objects")?;
        for hpa in hpas {
            let target = &hpa.spec.scale_target_ref;
            if is_ours(&hpa.metadata) {
                continue;
            }
            let scaled = scenario
                .deployments
                .iter()
                .any(|deployment| target.kind == "Deployment" && deployment.name == target.name);
            let name = hpa.metadata.name.unwrap_or_default();
            if scaled {
                bail!(
                    "HPA {namespace}/{name} scales {} already, and two autoscalers of one deployment fight: remove it \
                     for the time of the comparison (`kubectl -n {namespace} delete hpa {name}`)",
                    target.name
                );
            }
        }
        Ok(())
    }

    /// Writes a kubeconfig with the chosen context below `dir`, for the scaler.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write_kubeconfig(&self, dir: &Path) -> Result<PathBuf> {
        let path = dir.join("kubeconfig");
        let what = || format!("cannot write {}", path.display());
        // It may hold a key.
        let file = fs::OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&path)
            .with_context(what)?;
        serde_yaml::to_writer(file, &self.kubeconfig).with_context(what)?;
        Ok(path)
    }
}

/// The version of the API server, when it answers.
async fn reach(client: &Client, server: &str, path: &Path) -> Result<String> {
    let how = || {
        format!(
            "cannot reach the cluster {server} of --kubeconfig {}: check that it runs and that the address is right",
            path.display()
        )
    };
    let answer = tokio::time::timeout(ANSWER_DEADLINE, client.apiserver_version());
    match answer.await {
        Ok(version) => Ok(version.with_context(how)?.git_version),
        Err(_) => bail!(
            "{} (no answer within {} s)",
            how(),
            ANSWER_DEADLINE.as_secs()
        ),
    }
}

fn contexts(kubeconfig: &Kubeconfig) -> String {
    let names: Vec<_> = kubeconfig
        .contexts
        .iter()
        .map(|context| context.name.as_str())
        .collect();
    names.join(", ")
}

fn is_loadtest_node(node: &Node) -> bool {
    let info = node
        .status
        .as_ref()
        .and_then(|status| status.node_info.as_ref());
    info.is_some_and(|info| info.container_runtime_version.starts_with(RUNTIME))
}

/// Whether the node `name` of a `loadtest node` runs on this machine: its cgroups are here.
fn is_here(name: &str) -> bool {
    super::sampling::PodClocks::of_node(name).is_ok_and(|clocks| clocks.is_there())
}

fn machine(server: &str, nodes: &[Node]) -> Machine {
    let capacity = |resource: &str| -> i64 {
        nodes
            .iter()
            .filter_map(|node| node.status.as_ref()?.capacity.as_ref()?.get(resource))
            .filter_map(|quantity| quantity.0.parse::<Quantity>().ok())
            .map(|quantity| quantity.milli / 1000)
            .sum()
    };
    let info = |of: fn(&k8s_openapi::api::core::v1::NodeSystemInfo) -> &str| {
        let infos = nodes
            .iter()
            .filter_map(|node| node.status.as_ref()?.node_info.as_ref());
        let mut values: Vec<&str> = infos.map(of).collect();
        values.sort_unstable();
        values.dedup();
        values.join(", ")
    };
    Machine {
        cluster: server.to_owned(),
        cpus: capacity("cpu").try_into().unwrap_or(0),
        cpu_model: info(|info| info.architecture.as_str()),
        memory_bytes: capacity("memory").try_into().unwrap_or(0),
        kernel: info(|info| info.kernel_version.as_str()),
    }
}
