//! What the benchmark starts, in the order in which it depends on each other.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Service;
use kube::{Api, Client};
use serde_json::Value;

use super::MetricSet;
use super::manifests::{self, ROLE};
use super::metrics::AgentMetrics;
use crate::local::{LocalCluster, Programs, RunDir};
use crate::shop;
use crate::viperscale::{Agents, Decision, DecisionReader, Viperscale};

/// How long it may take until the agent measures every container and the scaler decides on it.
const REPORTS_DEADLINE: Duration = Duration::from_secs(30);

/// How long the pods may take to be ready: some time, and some for each.
const READY_AT_LEAST: Duration = Duration::from_secs(60);
const READY_PER_POD: Duration = Duration::from_millis(500);

/// How often that is looked at.
const POLL: Duration = Duration::from_millis(200);

/// Local cluster, scaler and agent.
#[derive(Debug, Default)]
pub(super) struct Rig {
    cluster: LocalCluster,
    viperscale: Viperscale,
}

/// How to reach what is running.
#[derive(Debug)]
pub(super) struct Target {
    /// A page of the pods, through their Service.
    pub(super) url: String,
    /// The measured process.
    pub(super) agent_pid: u32,
    /// Its own account.
    pub(super) agent: AgentMetrics,
    /// What the scaler makes of the reports.
    decisions: DecisionReader,
}

impl Rig {
    /// Starts everything; the pods are ready when it returns. Whatever the outcome, [`Rig::stop`]
    /// ends what was started.
    pub(super) async fn start(
        &mut self,
        programs: &Programs,
        run_dir: &RunDir,
        containers: u32,
        metrics: MetricSet,
    ) -> Result<Target> {
        let logs = run_dir.logs();
        let cluster = &mut self.cluster;
        cluster.allow_pods(containers);
        cluster.start(programs, run_dir.path(), &logs).await?;
        let client = cluster.client().await?;
        let kubeconfig = cluster.kubeconfig().to_owned();
        for object in manifests::workload(&programs.demo_shop, containers) {
            let object = serde_json::from_value(object).context("a built-in object has no kind")?;
            shop::apply(&client, &object).await?;
        }
        // One after the other on a small machine.
        let deadline = READY_AT_LEAST + READY_PER_POD * containers;
        shop::wait_until_ready_within(&client, shop::NAMESPACE, deadline, || cluster.check())
            .await?;

        let policies = run_dir.path().join("policies");
        write_policy(&policies, &manifests::policy(containers, metrics))?;
        let local = Agents::Local;
        let decisions = self
            .viperscale
            .start(programs, &kubeconfig, policies, local, &logs)?;
        let agent = self.viperscale.agent()?;
        Ok(Target {
            url: url(&client).await?,
            agent_pid: agent.pid,
            agent: AgentMetrics::at(agent.admin)?,
            decisions,
        })
    }

    /// Waits until the agent measures `containers` and the scaler's decision rests on measurements.
    pub(super) async fn wait_for_reports(
        &mut self,
        target: &Target,
        containers: u32,
    ) -> Result<()> {
        let deadline = tokio::time::Instant::now() + REPORTS_DEADLINE;
        loop {
            self.check()?;
            // Neither answers at first.
            let measured = target.agent.containers().await.unwrap_or(0);
            let informed = target.decisions.newest().await.is_ok_and(|newest| {
                let decision = newest.get(ROLE.name());
                decision.is_some_and(Decision::is_informed)
            });
            if measured == u64::from(containers) && informed {
                return Ok(());
            }
            ensure!(
                tokio::time::Instant::now() < deadline,
                "after {} s the agent measures {measured} of {containers} containers, and the \
                 scaler has {} measurements; `probe-agent check` tells what this kernel supports",
                REPORTS_DEADLINE.as_secs(),
                if informed { "its" } else { "no" }
            );
            tokio::time::sleep(POLL).await;
        }
    }

    /// An error when any process has ended.
    pub(super) fn check(&mut self) -> Result<()> {
        self.viperscale.check()?;
        self.cluster.check()
    }

    /// Ends everything in reverse order.
    pub(super) async fn stop(mut self) {
        self.viperscale.stop().await;
        self.cluster.stop().await;
    }
}

fn write_policy(folder: &Path, policy: &Value) -> Result<()> {
    let what = || format!("cannot write the policy to {}", folder.display());
    let text = serde_yaml::to_string(policy).with_context(what)?;
    fs::create_dir_all(folder).with_context(what)?;
    fs::write(folder.join("policy.yaml"), text).with_context(what)
}

async fn url(client: &Client) -> Result<String> {
    let services: Api<Service> = Api::namespaced(client.clone(), shop::NAMESPACE);
    let service = services
        .get(ROLE.name())
        .await
        .context("cannot read the pods' Service")?;
    let address = service
        .spec
        .and_then(|spec| spec.cluster_ip)
        .context("the API server gave the pods' Service no address")?;
    let address = address
        .parse()
        .with_context(|| format!("{address} is no address of a Service"))?;
    let address = SocketAddr::new(address, ROLE.service_port());
    Ok(format!("http://{address}/products"))
}
