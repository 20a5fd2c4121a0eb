//! What is to be done, checked as far as it can be before anything starts.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use comparison::scenario::ShopSource;
use comparison::{Autoscaler, Scenario};

use super::args::{AgentsArg, CompareArgs};
use super::foreign::ForeignCluster;
use super::inputs::{Inputs, hash_programs};
use crate::local::{Machine, Programs};
use crate::shop_manifests::NAMESPACE;
use crate::viperscale::Agents;

/// A comparison that can be made.
pub(super) struct Job {
    /// Scenarios, with the options of the command line applied; their names differ.
    pub(super) scenarios: Vec<Scenario>,
    /// Whose trials are to be made.
    pub(super) autoscalers: BTreeSet<Autoscaler>,
    /// Every scenario is cut short.
    pub(super) quick: bool,
    /// Where it runs.
    pub(super) place: Place,
    /// URL of the frontend, where it cannot be found out.
    pub(super) host: Option<String>,
    /// Who measures for Viperscale.
    pub(super) agents: Agents,
    /// The binaries.
    pub(super) programs: Programs,
}

/// Where a comparison runs.
pub(super) enum Place {
    /// On a local cluster, a fresh one for each trial.
    Local,
    /// On a cluster of the user's.
    Foreign(Box<ForeignCluster>),
}

impl Job {
    /// Checks `args` against the machine and the cluster; starts and changes nothing.
    ///
    /// # Errors
    /// The first thing that stands in the way, and what to do about it.
    pub(super) async fn check(args: &CompareArgs) -> Result<Self> {
        let scenarios = scenarios(args)?;
        let programs = Programs::beside_this_one()?;
        if let Some(host) = &args.host {
            ensure!(
                host.starts_with("http://") || host.starts_with("https://"),
                "--host {host}: expected http://NAME:PORT"
            );
        }
        // A cluster of one's own needs nothing of this machine but Locust, and root for a local agent.
        let agents = match args.agents {
            AgentsArg::Local => Agents::Local,
            AgentsArg::Existing => Agents::Existing(args.agents_port),
        };
        if agents == Agents::Local {
            Machine::inspect(&[&programs.probe_agent, &programs.scaler, &programs.demo_shop])
                .check()?;
        }
        let place = match &args.kubeconfig {
            None => Place::Local,
            Some(kubeconfig) => {
                let cluster = ForeignCluster::check(
                    kubeconfig,
                    args.context.as_deref(),
                    &scenarios,
                    args.host.is_some(),
                )
                .await?;
                Place::Foreign(Box::new(cluster))
            }
        };
        Ok(Self {
            scenarios,
            autoscalers: args.autoscalers.iter().map(|&arg| arg.into()).collect(),
            quick: args.quick,
            place,
            host: args.host.clone(),
            agents,
            programs,
        })
    }

    /// What decides the outcome of each scenario's trials, by its name.
    ///
    /// # Errors
    /// When a program cannot be read.
    pub(super) fn inputs(&self) -> Result<Vec<(String, Inputs)>> {
        let programs = hash_programs(&self.programs)?;
        let mut options = BTreeMap::new();
        if let Place::Foreign(_) = self.place {
            options.insert("agents".to_owned(), format!("{:?}", self.agents));
            if let Some(host) = &self.host {
                options.insert("host".to_owned(), host.clone());
            }
        }
        self.scenarios
            .iter()
            .map(|scenario| {
                let inputs = Inputs::of(scenario, &programs, self.place.name(), options.clone())?;
                Ok((scenario.name.clone(), inputs))
            })
            .collect()
    }
}

impl Place {
    /// For people and for records: `local cluster`, or the address of the API server.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Local => "local cluster",
            Self::Foreign(cluster) => &cluster.server,
        }
    }
}

/// The scenarios as they are to be run.
///
/// # Errors
/// When one is unknown or broken, or does not fit the options.
pub(super) fn scenarios(args: &CompareArgs) -> Result<Vec<Scenario>> {
    let mut scenarios = Vec::new();
    let mut names = BTreeSet::new();
    for given in &args.scenarios {
        let mut scenario = Scenario::load(given)?;
        if let Some(seed) = args.seed {
            scenario.load.seed = seed;
        }
        if args.existing {
            scenario.shop.source = ShopSource::Existing;
            scenario.shop.work.clear();
        }
        if let Some(namespace) = &args.namespace {
            scenario.namespace.clone_from(namespace);
        }
        if args.quick {
            scenario = scenario.quick();
        }
        if let Some(trials) = args.trials {
            scenario.trials = trials;
        }
        ensure!(
            names.insert(scenario.name.clone()),
            "two scenarios are named {}: rename one of them, or give it once",
            scenario.name
        );
        match scenario.shop.source {
            ShopSource::Demo => ensure!(
                scenario.namespace == NAMESPACE,
                "scenario {}: the demo shop lives in namespace {NAMESPACE}, not in {}; drop `namespace`",
                scenario.name,
                scenario.namespace
            ),
            ShopSource::Existing => ensure!(
                args.kubeconfig.is_some(),
                "scenario {} scales Deployments that exist already: name their cluster with --kubeconfig",
                scenario.name
            ),
        }
        scenarios.push(scenario);
    }
    Ok(scenarios)
}

/// A line for each built-in scenario.
///
/// # Errors
/// When one is broken.
pub(super) fn list() -> Result<String> {
    let mut text = String::new();
    for name in Scenario::builtin_names() {
        let scenario =
            Scenario::load(&name).with_context(|| format!("built-in scenario {name}"))?;
        text.push_str(&format!(
            "{name:14} {} s, {} trials  {}\n",
            scenario.load.seconds(),
            scenario.trials,
            scenario.description.trim()
        ));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: CompareArgs,
    }

    fn read(line: &[&str]) -> Result<Vec<Scenario>> {
        let line = std::iter::once(&"compare").chain(line);
        scenarios(&Line::try_parse_from(line)?.args)
    }

    #[test]
    fn options_go_over_the_scenario() {
        let scenarios = read(&["bottleneck", "--trials", "3", "--seed", "9"]).unwrap();
        assert_eq!((scenarios[0].trials, scenarios[0].load.seed), (3, 9));
        let quick = read(&["bottleneck", "--quick"]).unwrap();
        assert_eq!(quick[0].trials, 1);
        assert!(quick[0].load.seconds() <= 40);
    }

    #[test]
    fn senseless_requests_are_refused_by_name() {
        let message = |line: &[&str]| read(line).unwrap_err().to_string();
        let twice = message(&["bottleneck", "bottleneck"]);
        assert!(
            twice.contains("two scenarios are named bottleneck"),
            "{twice}"
        );
        let unknown = message(&["no-such"]);
        assert!(unknown.contains("bottleneck"), "{unknown}");
        let alone = message(&["bottleneck", "--existing"]);
        assert!(alone.contains("--kubeconfig"), "{alone}");
    }

    #[test]
    fn every_built_in_scenario_is_listed() {
        let list = list().unwrap();
        for name in Scenario::builtin_names() {
            assert!(list.contains(&name), "{list}");
        }
    }
}
