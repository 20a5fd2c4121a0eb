//! What runs while the shop is measured, and how its state is changed.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::policies::State;
use crate::bench::agent::manifests::request_little;
use crate::bench::agent::metrics::AgentMetrics;
use crate::compare::PodClocks;
use crate::local::{LocalCluster, NODE_NAME, Programs, RunDir};
use crate::shop;
use crate::shop_manifests::{ShopParameters, objects};
use crate::viperscale::{Agents, Viperscale};

/// How long a change of policies may take to reach the kernel.
pub(super) const CHANGE_DEADLINE: Duration = Duration::from_secs(20);

/// How often that is looked at.
const POLL: Duration = Duration::from_millis(100);

/// Local cluster, scaler and agent.
#[derive(Debug, Default)]
pub(super) struct Rig {
    cluster: LocalCluster,
    viperscale: Viperscale,
    /// Where the scaler looks for policies.
    policies: PathBuf,
    /// What they say; `None` without any.
    in_force: Option<String>,
    replicas: u32,
}

/// How to reach what is running.
#[derive(Debug)]
pub(super) struct Target {
    /// The shop's frontend.
    pub(super) frontend: String,
    /// The agent's own account.
    pub(super) agent: AgentMetrics,
    /// CPU time of the shop's pods.
    pub(super) pods: PodClocks,
    /// The agent's process.
    pub(super) agent_pid: u32,
}

impl Rig {
    /// Starts everything; the shop is ready when it returns, and nothing is measured of it. Whatever the
    /// outcome, [`Rig::stop`] ends what was started.
    pub(super) async fn start(
        &mut self,
        programs: &Programs,
        run_dir: &RunDir,
        replicas: u32,
    ) -> Result<Target> {
        let logs = run_dir.logs();
        self.cluster.start(programs, run_dir.path(), &logs).await?;
        let client = self.cluster.client().await?;
        let kubeconfig = self.cluster.kubeconfig().to_owned();
        let mut parameters = ShopParameters::new(&programs.demo_shop);
        parameters.replicas = replicas;
        let mut objects = objects(&parameters);
        request_little(&mut objects);
        let frontend = shop::deploy_objects(&client, objects).await?;
        shop::wait_until_ready(&client, || self.cluster.check()).await?;

        self.policies = run_dir.path().join("policies");
        self.replicas = replicas;
        fs::create_dir_all(&self.policies)
            .with_context(|| format!("cannot create {}", self.policies.display()))?;
        let folder = self.policies.clone();
        self.viperscale
            .start(programs, &kubeconfig, folder, Agents::Local, &logs)?;
        let agent = self.viperscale.agent()?;
        let target = Target {
            frontend,
            agent: AgentMetrics::at(agent.admin)?,
            pods: PodClocks::of_node(NODE_NAME)?,
            agent_pid: agent.pid,
        };
        self.wait(&target, |now| now.revision > 0).await?;
        Ok(target)
    }

    /// Replaces the policies and waits until the agent measures by them.
    pub(super) async fn change(&mut self, target: &Target, state: State) -> Result<()> {
        let policies = state.policies(self.replicas);
        if policies.is_some() && policies == self.in_force {
            return Ok(());
        }
        self.in_force.clone_from(&policies);
        let before = InForce::ask(target).await?;
        let silent = policies.is_none();
        let file = self.policies.join("policies.yaml");
        match policies {
            Some(text) => {
                // Another file takes the name, so that the scaler never reads a half.
                let next = self.policies.join(".next");
                fs::write(&next, text).and_then(|()| fs::rename(&next, &file))
            }
            None if file.exists() => fs::remove_file(&file),
            None => return self.wait(target, |now| now.attached == 0).await,
        }
        .with_context(|| format!("cannot change {}", file.display()))?;
        self.wait(target, |now| {
            now.revision > before.revision && (now.attached == 0) == silent
        })
        .await
    }

    /// Waits until what is in force is as wished.
    async fn wait(&mut self, target: &Target, wished: impl Fn(&InForce) -> bool) -> Result<()> {
        let deadline = tokio::time::Instant::now() + CHANGE_DEADLINE;
        loop {
            self.check()?;
            // It does not answer at first.
            let now = InForce::ask(target).await.unwrap_or_default();
            if wished(&now) {
                return Ok(());
            }
            ensure!(
                tokio::time::Instant::now() < deadline,
                "the agent did not follow the policies within {} s: revision {}, {} programs attached",
                CHANGE_DEADLINE.as_secs(),
                now.revision,
                now.attached
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

/// What the agent does, by its own account.
#[derive(Debug, Default)]
struct InForce {
    revision: u64,
    attached: u64,
}

impl InForce {
    async fn ask(target: &Target) -> Result<Self> {
        Ok(Self {
            revision: target.agent.revision().await?,
            attached: target.agent.attached().await?,
        })
    }
}
