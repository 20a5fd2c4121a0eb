//! A trial's record as curves, and its measures.

use std::collections::BTreeMap;

use super::cpu::Total;
use super::curve::Curve;
use super::latency::{self, Tally};
use super::optimum::Optimum;
use super::reaction::{self, Patch};
use super::{DeploymentMeasures, LatencyBin, Measures};
use crate::record::{RequestRecord, TrialRecord};

/// A record, cut to the horizon and laid out for computing.
#[derive(Debug)]
pub(crate) struct Trial<'a> {
    pub(crate) record: &'a TrialRecord,
    pub(crate) horizon: f64,
    /// Requests that ended within the horizon.
    pub(crate) requests: Vec<&'a RequestRecord>,
    pub(crate) users: Option<Curve<u32>>,
    /// What was asked for and what was ready, by scaled deployment.
    pub(crate) replicas: BTreeMap<String, (Curve<u32>, Curve<u32>)>,
    /// By deployment of the shop.
    pub(crate) cpu: BTreeMap<String, Total>,
}

impl<'a> Trial<'a> {
    pub(crate) fn new(record: &'a TrialRecord, horizon: f64) -> Self {
        let replicas = record.metadata.deployments.keys().filter_map(|name| {
            let samples = record.replicas.iter().filter(|s| s.deployment == *name);
            Some((name.clone(), reaction::replicas(samples, horizon)?))
        });
        let mut cpu: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
        for sample in &record.cpu {
            let samples = cpu.entry(sample.deployment.clone()).or_default();
            samples.push((sample.at, sample.cpu_seconds));
        }
        Self {
            record,
            horizon,
            requests: record
                .requests
                .iter()
                .filter(|request| (0.0..horizon).contains(&request.at))
                .collect(),
            users: Curve::new(record.users.iter().map(|s| (s.at, s.users)), horizon),
            replicas: replicas.collect(),
            cpu: cpu
                .into_iter()
                .map(|(name, samples)| (name, Total::new(samples)))
                .collect(),
        }
    }

    /// Page requests that were begun before `moment`.
    pub(crate) fn begun_before(&self, moment: f64) -> u64 {
        let begun = self.requests.iter().filter(|r| r.begin() < moment);
        begun.count() as u64
    }

    /// All requests by the time of their end.
    pub(crate) fn bins(&self) -> Vec<LatencyBin> {
        latency::bins(&self.requests, self.horizon)
    }

    /// What the trial amounts to, held against `optimum`.
    pub(crate) fn measures(&self, optimum: &Optimum) -> Measures {
        let tally = Tally::of(self.requests.iter().copied());
        let deployments: BTreeMap<String, DeploymentMeasures> = self
            .replicas
            .iter()
            .map(|(name, (desired, ready))| {
                let measures = self.deployment(name, desired, ready, optimum);
                (name.clone(), measures)
            })
            .collect();
        let sum = |part: fn(&DeploymentMeasures) -> f64| deployments.values().map(part).sum();
        Measures {
            requests: tally.requests,
            failed_requests: tally.failed,
            latency: tally.latency,
            routes: latency::by_route(&self.requests, self.horizon),
            replica_seconds: sum(|d| d.replica_seconds),
            over_replica_seconds: sum(|d| d.over_replica_seconds),
            under_replica_seconds: sum(|d| d.under_replica_seconds),
            cpu_seconds: self
                .cpu
                .values()
                .map(|cpu| cpu.between(0.0, self.horizon))
                .sum(),
            overhead_cpu_seconds: self.overhead(),
            direction_changes: deployments.values().map(|d| d.direction_changes).sum(),
            reaction: reaction::reaction(
                &self.patches(),
                &self.requests,
                self.record.metadata.step_at_seconds,
                self.horizon,
            ),
            deployments,
        }
    }

    fn deployment(
        &self,
        name: &str,
        desired: &Curve<u32>,
        ready: &Curve<u32>,
        optimum: &Optimum,
    ) -> DeploymentMeasures {
        let points = optimum.replicas.get(name).into_iter().flatten();
        let enough = Curve::new(points.map(|point| (point.at, point.replicas)), self.horizon);
        let excess = |(have, other): (u32, u32)| f64::from(have.saturating_sub(other));
        let cpu = self.cpu.get(name);
        DeploymentMeasures {
            replica_seconds: desired.total(f64::from),
            over_replica_seconds: enough
                .as_ref()
                .map_or(0.0, |o| desired.zip(o).total(excess)),
            under_replica_seconds: enough.as_ref().map_or(0.0, |o| o.zip(ready).total(excess)),
            cpu_seconds: cpu.map_or(0.0, |cpu| cpu.between(0.0, self.horizon)),
            peak_replicas: desired.points().iter().map(|(_, n)| *n).max().unwrap_or(0),
            direction_changes: reaction::direction_changes(desired),
        }
    }

    /// The changes of replica counts of all scaled deployments, in order of time.
    fn patches(&self) -> Vec<Patch<'_>> {
        let mut patches: Vec<_> = self
            .replicas
            .iter()
            .flat_map(|(name, (desired, _))| reaction::patches(name, desired))
            .collect();
        patches.sort_by(|a, b| a.at.total_cmp(&b.at));
        patches
    }

    /// None where no process of the autoscaler was observed.
    fn overhead(&self) -> Option<f64> {
        if self.record.overhead.is_empty() {
            return None;
        }
        let mut processes: BTreeMap<&str, Vec<(f64, f64)>> = BTreeMap::new();
        for sample in &self.record.overhead {
            let samples = processes.entry(&sample.process).or_default();
            samples.push((sample.at, sample.cpu_seconds));
        }
        let totals = processes.into_values().map(Total::new);
        Some(totals.map(|total| total.between(0.0, self.horizon)).sum())
    }
}
