//! The cluster of the benchmark, and what trials do with it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, ListParams};
use kube::{Api, Client};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::manifests::{self, NAMESPACE};
use super::schedule::Schedule;
use crate::local::{LocalCluster, Programs, RunDir};
use crate::replicas::{Announcement, announce};
use crate::shop::apply;

/// How long a pod may take to start, or all pods of a trial to end.
const PODS_DEADLINE: Duration = Duration::from_secs(30);

/// How often a condition is looked at while waiting for it.
const POLL: Duration = Duration::from_millis(100);

/// A local cluster whose controller and metrics are the rival; empty until [`Rig::start`].
#[derive(Default)]
pub(super) struct Rig {
    cluster: LocalCluster,
    running: Option<Running>,
}

struct Running {
    client: Client,
    program: PathBuf,
    dir: PathBuf,
}

impl Rig {
    /// Starts it. Whatever the outcome, [`Rig::stop`] ends what was started.
    pub(super) async fn start(&mut self, programs: &Programs, run_dir: &RunDir) -> Result<()> {
        let logs = run_dir.logs();
        self.cluster.start(programs, run_dir.path(), &logs).await?;
        self.running = Some(Running {
            client: self.cluster.client().await?,
            program: programs.loadtest.clone(),
            dir: run_dir.path().to_owned(),
        });
        self.create(manifests::namespace()).await
    }

    /// The client of its administrator.
    ///
    /// # Errors
    /// Before [`Rig::start`].
    pub(super) fn client(&self) -> Result<&Client> {
        Ok(&self.running()?.client)
    }

    /// Creates the deployment `name` and waits for its pod.
    pub(super) async fn deploy(&mut self, name: &str) -> Result<()> {
        let running = self.running()?;
        let manifest = manifests::deployment(name, &running.program, &running.step(name));
        let deployments: Api<Deployment> = Api::namespaced(running.client.clone(), NAMESPACE);
        self.create(manifest).await?;
        self.wait("the pod is not ready", PODS_DEADLINE, async || {
            let deployment = deployments
                .get(name)
                .await
                .context("cannot read the deployment")?;
            Ok(deployment.status.and_then(|status| status.ready_replicas) == Some(1))
        })
        .await
    }

    /// Creates its autoscaler.
    pub(super) async fn autoscale(&self, name: &str) -> Result<()> {
        self.create(manifests::autoscaler(name)).await
    }

    /// Whether the autoscaler `name` has read its metrics.
    pub(super) async fn is_active(&self, name: &str) -> Result<bool> {
        let api: Api<HorizontalPodAutoscaler> = Api::namespaced(self.client()?.clone(), NAMESPACE);
        let autoscaler = api.get(name).await.context("cannot read the autoscaler")?;
        let conditions = autoscaler.status.and_then(|status| status.conditions);
        let mut conditions = conditions.iter().flatten();
        Ok(conditions.any(|one| one.type_ == "ScalingActive" && one.status == "True"))
    }

    /// Where the chain of the node stands.
    pub(super) async fn schedule(&self) -> Result<Schedule> {
        Schedule::read(self.client()?).await
    }

    /// Saturates the deployment `name`, from now on for good.
    pub(super) fn step(&self, name: &str) -> Result<()> {
        let file = self.running()?.step(name);
        File::create(&file).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(())
    }

    /// Replica counts as they change.
    pub(super) fn announcements(&self) -> Result<mpsc::Receiver<Result<Announcement>>> {
        Ok(announce(self.client()?.clone(), NAMESPACE))
    }

    /// Removes the deployment and its autoscaler and waits until no pod is left.
    pub(super) async fn remove(&mut self, name: &str) -> Result<()> {
        let client = self.client()?.clone();
        let autoscalers: Api<HorizontalPodAutoscaler> = Api::namespaced(client.clone(), NAMESPACE);
        let deployments: Api<Deployment> = Api::namespaced(client.clone(), NAMESPACE);
        let parameters = DeleteParams::background();
        let what = || format!("cannot remove the autoscaler and the deployment {name}");
        autoscalers
            .delete(name, &parameters)
            .await
            .with_context(what)?;
        deployments
            .delete(name, &parameters)
            .await
            .with_context(what)?;
        let pods: Api<Pod> = Api::namespaced(client, NAMESPACE);
        self.wait("pods of the trial are left", PODS_DEADLINE, async || {
            let pods = pods.list(&ListParams::default()).await;
            Ok(pods.context("cannot list the pods")?.items.is_empty())
        })
        .await
    }

    /// Polls `condition` until it holds, the processes being watched meanwhile.
    pub(super) async fn wait(
        &mut self,
        not_yet: &str,
        limit: Duration,
        condition: impl AsyncFn() -> Result<bool>,
    ) -> Result<()> {
        let deadline = Instant::now() + limit;
        while !condition().await? {
            self.check()?;
            ensure!(
                Instant::now() < deadline,
                "{not_yet} after {} s",
                limit.as_secs()
            );
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// An error when a process of the cluster has ended.
    pub(super) fn check(&mut self) -> Result<()> {
        self.cluster.check()
    }

    /// Ends everything.
    pub(super) async fn stop(self) {
        self.cluster.stop().await;
    }

    fn running(&self) -> Result<&Running> {
        match &self.running {
            Some(running) => Ok(running),
            None => bail!("the cluster has not been started"),
        }
    }

    async fn create(&self, manifest: Value) -> Result<()> {
        let object = serde_json::from_value(manifest).context("a built-in object has no kind")?;
        apply(self.client()?, &object).await
    }
}

impl Running {
    /// The file that saturates the deployment `name`.
    fn step(&self, name: &str) -> PathBuf {
        Path::new(&self.dir).join(format!("step-{name}"))
    }
}
