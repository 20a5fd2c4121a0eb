//! The system that the demo drives: local cluster, demo shop, scaler and agent, all real.

use std::path::Path;

use anyhow::Result;
use kube::Client;

use super::policies;
use crate::local::{LocalCluster, Programs};
use crate::shop;
use crate::viperscale::{Agents, DecisionReader, Viperscale, wait_for_data};

/// What to start, and where.
#[derive(Debug)]
pub struct SystemSpec<'a> {
    /// The binaries.
    pub programs: &'a Programs,
    /// The run directory.
    pub dir: &'a Path,
    /// Where logs go.
    pub logs: &'a Path,
    /// The user's policies; the built-in ones when none.
    pub policies: Option<&'a Path>,
}

/// The running system.
#[derive(Debug, Default)]
pub struct System {
    cluster: LocalCluster,
    viperscale: Viperscale,
}

/// How to reach the running system.
pub struct Endpoints {
    /// The API server.
    pub client: Client,
    /// The scaler's decisions.
    pub decisions: DecisionReader,
    /// The shop's frontend, through its Service.
    pub frontend: String,
}

impl System {
    /// Starts everything in the order in which it depends on each other; `progress` is told each
    /// step.
    ///
    /// Whatever the outcome, [`System::stop`] ends all that was started.
    ///
    /// # Errors
    /// When a step fails, with what its process said.
    pub async fn start(
        &mut self,
        spec: &SystemSpec<'_>,
        progress: &(dyn Fn(&str) + Sync),
    ) -> Result<Endpoints> {
        progress("starting the local cluster");
        self.cluster
            .start(spec.programs, spec.dir, spec.logs)
            .await?;
        let client = self.cluster.client().await?;
        let kubeconfig = self.cluster.kubeconfig().to_owned();

        progress("deploying the demo shop");
        let frontend = shop::deploy(&client, &spec.programs.demo_shop).await?;
        shop::wait_until_ready(&client, || self.check()).await?;

        progress("starting the scaler and the node agent");
        let policies = match spec.policies {
            Some(dir) => dir.to_owned(),
            None => policies::unpack(spec.dir)?,
        };
        let decisions = self.viperscale.start(
            spec.programs,
            &kubeconfig,
            policies,
            Agents::Local,
            spec.logs,
        )?;
        wait_for_data(&decisions, || self.check()).await?;
        Ok(Endpoints {
            client,
            decisions,
            frontend,
        })
    }

    /// An error when any process has ended.
    ///
    /// # Errors
    /// See [`Process::check`].
    pub fn check(&mut self) -> Result<()> {
        self.viperscale.check()?;
        self.cluster.check()
    }

    /// Ends everything in reverse order.
    pub async fn stop(mut self) {
        self.viperscale.stop().await;
        self.cluster.stop().await;
    }
}
