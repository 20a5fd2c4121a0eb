//! What is up during a trial, and ends after it: a cluster, the shop, and the autoscaler under test, no other.
//!
//! ```text
//!  local cluster (fresh) or the user's ─▶ shop at its least replicas ─▶ HPA objects, or scaler and agent
//!                                                                         └─▶ both wait for data, then rest
//! ```

mod hpa;
mod leftovers;
mod shop;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};
use comparison::record::DeploymentFacts;
use comparison::scenario::ShopSource;
use comparison::{Autoscaler, Scenario};
use kube::Client;

pub(super) use leftovers::{LABEL, MANAGER, is_ours, remove as remove_leftovers};

use super::job::{Job, Place};
use crate::local::LocalCluster;
use crate::viperscale::{DecisionReader, Viperscale, wait_for_data};

/// What is up; empty until [`Rig::start`].
#[derive(Default)]
pub(super) struct Rig {
    cluster: LocalCluster,
    viperscale: Viperscale,
    /// Where things were created that do not vanish with a cluster of ours.
    foreign: Option<(Client, String)>,
}

/// How to reach what is up.
pub(super) struct Running {
    /// The API server.
    pub(super) client: Client,
    /// URL of the shop.
    pub(super) frontend: String,
    /// The scaler's decisions, when it is under test.
    pub(super) decisions: Option<DecisionReader>,
    /// When the HPA of each deployment was created, when the HPA is under test.
    pub(super) hpas_created_at: BTreeMap<String, SystemTime>,
    /// What the optimum must know of each scaled deployment.
    pub(super) facts: BTreeMap<String, DeploymentFacts>,
    /// When the last pod of the shop was ready.
    pub(super) shop_ready_at: tokio::time::Instant,
}

impl Rig {
    /// Starts everything for a trial of `autoscaler`, with state below `dir` and logs in `logs`; `tell` hears each step.
    ///
    /// Whatever the outcome, and also when it is cut short, [`Rig::stop`] ends and removes all that was started.
    ///
    /// # Errors
    /// When a step fails, with what to do about it.
    pub(super) async fn start(
        &mut self,
        job: &Job,
        scenario: &Scenario,
        autoscaler: Autoscaler,
        (dir, logs): (&Path, &Path),
        tell: &mut dyn FnMut(&str),
    ) -> Result<Running> {
        let namespace = scenario.namespace.as_str();
        let (client, kubeconfig) = match &job.place {
            Place::Local => {
                tell("starting the local cluster");
                self.cluster.start(&job.programs, dir, logs).await?;
                let kubeconfig = self.cluster.kubeconfig().to_owned();
                (self.cluster.client().await?, kubeconfig)
            }
            Place::Foreign(cluster) => {
                self.foreign = Some((cluster.client.clone(), namespace.to_owned()));
                (cluster.client.clone(), cluster.write_kubeconfig(dir)?)
            }
        };

        tell("waiting for the shop");
        match scenario.shop.source {
            ShopSource::Demo => shop::deploy(&client, job, scenario).await?,
            ShopSource::Existing => shop::shrink(&client, scenario).await?,
        }
        crate::shop::wait_until_ready_in(&client, namespace, || self.check()).await?;
        let shop_ready_at = tokio::time::Instant::now();
        let given = job.host.as_ref().or(scenario.shop.frontend.as_ref());
        let frontend = match given {
            Some(url) => url.clone(),
            None => crate::shop::frontend(&client, namespace).await?,
        };
        let facts = shop::facts(&client, scenario).await?;

        let mut running = Running {
            client: client.clone(),
            frontend,
            decisions: None,
            hpas_created_at: BTreeMap::new(),
            facts,
            shop_ready_at,
        };
        match autoscaler {
            Autoscaler::Hpa => {
                tell("waiting for the HPA's metrics");
                running.hpas_created_at = hpa::create(&client, scenario).await?;
                hpa::wait_for_metrics(&client, scenario, || self.check()).await?;
            }
            Autoscaler::Viperscale => {
                tell("waiting for measurements");
                let policies = write_policies(scenario, dir)?;
                let reader = self.viperscale.start(
                    &job.programs,
                    &kubeconfig,
                    policies,
                    job.agents,
                    logs,
                )?;
                wait_for_data(&reader, || self.check()).await?;
                running.decisions = Some(reader);
            }
        }
        Ok(running)
    }

    /// An error when any process has ended.
    ///
    /// # Errors
    /// See [`crate::local::Process::check`].
    pub(super) fn check(&mut self) -> Result<()> {
        self.viperscale.check()?;
        self.cluster.check()
    }

    /// Process ids of the autoscaler by name; the HPA has none of its own.
    pub(super) fn autoscaler_pids(&self) -> Vec<(&'static str, u32)> {
        self.viperscale.pids().collect()
    }

    /// Ends everything, and removes from the user's cluster what was created there.
    ///
    /// # Errors
    /// When something could not be removed there; the next comparison tries again.
    pub(super) async fn stop(mut self) -> Result<()> {
        self.viperscale.stop().await;
        let removed = match self.foreign.take() {
            Some((client, namespace)) => remove_leftovers(&client, &namespace).await,
            None => Ok(()),
        };
        self.cluster.stop().await;
        removed
    }
}

/// Writes the scenario's policies below `dir` and returns their folder.
fn write_policies(scenario: &Scenario, dir: &Path) -> Result<PathBuf> {
    let folder = dir.join("policies");
    let what = || format!("cannot write the policies to {}", folder.display());
    fs::create_dir_all(&folder).with_context(what)?;
    for (file, text) in scenario.policies() {
        fs::write(folder.join(file), text).with_context(what)?;
    }
    Ok(folder)
}
