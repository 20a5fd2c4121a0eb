//! What was seen of a trial, and how it becomes a record.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use comparison::record::{
    CpuSample, DecisionEntry, Machine, Metadata, MetricsPhase, OverheadSample, ReplicaSample,
    RequestRecord, UserSample,
};
use comparison::{Autoscaler, Scenario, TrialRecord};
use tokio::task::JoinHandle;

use super::job::Place;
use super::rig::Running;
use super::sampling::{CpuTotals, Notice, Pods, Schedule, hpa_decisions, process_clock};
use super::trial::Trial;
use super::{machine, series};
use crate::locust::{self, Event};
use crate::replicas::{Announcement, Replicas};
use crate::viperscale::ChangeDecision;

/// Everything that is noted while a trial runs, with the wall clock of its arrival.
pub(super) struct Observed {
    /// Announcements of replica counts.
    pub(super) replicas: Vec<Announcement>,
    /// What the HPA made known.
    pub(super) notices: Vec<Notice>,
    /// Whose each pod is.
    pub(super) pods: Pods,
    /// The scaler's changes; times are relative to the moment of reading.
    pub(super) changes: Vec<ChangeDecision>,
    /// When they were read.
    pub(super) changes_read_at: SystemTime,
    /// The answer of the node about the periods of its metrics, asked for at the load step.
    pub(super) schedule: Option<JoinHandle<Result<Schedule>>>,
    /// When the load was over.
    pub(super) ended_at: SystemTime,
    /// What a reader should know.
    pub(super) remarks: Vec<String>,
    step_stage: usize,
    /// When the first stage began, and the one that is the load step.
    begun_at: Option<SystemTime>,
    step_at: Option<SystemTime>,
    totals: CpuTotals,
    cpu: Vec<(SystemTime, BTreeMap<String, f64>)>,
    overhead: Vec<(SystemTime, BTreeMap<String, f64>)>,
    newest: BTreeMap<String, Replicas>,
    last_second: (u64, u64),
}

impl Observed {
    /// Nothing yet.
    pub(super) fn new(scenario: &Scenario) -> Self {
        let now = SystemTime::now();
        Self {
            replicas: Vec::new(),
            notices: Vec::new(),
            pods: Pods::default(),
            changes: Vec::new(),
            changes_read_at: now,
            schedule: None,
            ended_at: now,
            remarks: Vec::new(),
            step_stage: scenario.load.step_stage(),
            begun_at: None,
            step_at: None,
            totals: CpuTotals::default(),
            cpu: Vec::new(),
            overhead: Vec::new(),
            newest: BTreeMap::new(),
            last_second: (0, 0),
        }
    }

    /// A stage of the load began.
    pub(super) fn stage(&mut self, index: usize, at: SystemTime) {
        self.begun_at.get_or_insert(at);
        if index == self.step_stage {
            self.step_at.get_or_insert(at);
        }
    }

    /// Whether load has begun.
    pub(super) fn begun(&self) -> bool {
        self.begun_at.is_some()
    }

    /// Seconds of load so far.
    pub(super) fn elapsed_seconds(&self) -> f64 {
        let elapsed = self
            .begun_at
            .map(|begun| begun.elapsed().unwrap_or_default());
        elapsed.unwrap_or_default().as_secs_f64()
    }

    /// Takes a reading of clocks in.
    pub(super) fn clocks(
        &mut self,
        pods: BTreeMap<String, Duration>,
        autoscaler: &[(&'static str, u32)],
    ) {
        let now = SystemTime::now();
        if !pods.is_empty() {
            self.totals.add(pods, |pod| self.pods.deployment_of(pod));
            self.cpu.push((now, self.totals.by_deployment()));
        }
        let clocks = autoscaler.iter().filter_map(|&(name, pid)| {
            let clock = process_clock(pid)?;
            Some((name.to_owned(), clock.as_secs_f64()))
        });
        self.overhead.push((now, clocks.collect()));
    }

    /// Requests and failures since the last call.
    pub(super) fn since_last_second(&mut self, requests: u64, failures: u64) -> (u64, u64) {
        let (before, failed_before) = self.last_second;
        self.last_second = (requests, failures);
        (
            requests.saturating_sub(before),
            failures.saturating_sub(failed_before),
        )
    }

    /// Deployments that have more than one replica now: name, ready, desired.
    pub(super) fn grown(&mut self) -> Vec<(String, u32, u32)> {
        for Announcement {
            deployment,
            replicas,
            ..
        } in &self.replicas
        {
            self.newest.insert(deployment.clone(), *replicas);
        }
        let grown = self
            .newest
            .iter()
            .filter(|(_, replicas)| replicas.desired > 1);
        grown
            .map(|(name, replicas)| (name.clone(), replicas.ready, replicas.desired))
            .collect()
    }

    /// The record of a trial whose load is over; `rested` is the drawn part of its rest.
    ///
    /// # Errors
    /// When the load or its step never began, or Locust's events cannot be read.
    pub(super) async fn record(
        mut self,
        trial: &Trial<'_>,
        running: &Running,
        rested: Duration,
    ) -> Result<TrialRecord> {
        let begun_at = self.begun_at.context("the load never began")?;
        let step_at = self.step_at.context("the load step never began")?;
        let seconds = |at: SystemTime| series::seconds_since(begun_at, at);
        let (requests, users) = read_events(
            &trial.folder("locust")?.join("locust-events.jsonl"),
            seconds,
        )?;
        let metrics_phase = self.metrics_phase(step_at, running).await;
        self.remarks.push(format!(
            "The load began {:.1} s after the shop had come to rest, a moment of the HPA's period drawn from the seed.",
            rested.as_secs_f64()
        ));
        if let Place::Foreign(cluster) = &trial.job.place
            && !cluster.node_is_here
        {
            self.remarks.push(
                "CPU time is that of metrics.k8s.io, averages over 10 to 30 s: coarse, and late by as much."
                    .to_owned(),
            );
        }
        let metadata = Metadata {
            schema_version: Metadata::SCHEMA_VERSION,
            scenario: trial.scenario.name.clone(),
            scenario_hash: trial.scenario.hash(),
            autoscaler: trial.key.autoscaler,
            trial: trial.key.trial,
            seed: trial.seed(),
            begin_unix_ms: unix_ms(begun_at),
            step_at_seconds: seconds(step_at),
            duration_seconds: seconds(self.ended_at),
            load_complete: true,
            versions: versions(trial, running).await,
            machine: machine_of(&trial.job.place),
            deployments: running.facts.clone(),
            metrics_phase,
            remarks: self.remarks.clone(),
            complete: true,
        };
        let samples = |series: &[(SystemTime, BTreeMap<String, f64>)]| {
            let timed: Vec<_> = series
                .iter()
                .map(|(at, values)| (seconds(*at), values.clone()))
                .collect();
            series::since_begin(&timed)
        };
        Ok(TrialRecord {
            metadata,
            requests,
            users,
            replicas: self.replica_samples(trial.scenario, seconds),
            cpu: samples(&self.cpu)
                .into_iter()
                .map(|(at, deployment, cpu_seconds)| CpuSample {
                    at,
                    deployment,
                    cpu_seconds,
                })
                .collect(),
            overhead: samples(&self.overhead)
                .into_iter()
                .map(|(at, process, cpu_seconds)| OverheadSample {
                    at,
                    process,
                    cpu_seconds,
                })
                .collect(),
            decisions: self.decisions(trial.key.autoscaler, seconds),
        })
    }

    fn replica_samples(
        &self,
        scenario: &Scenario,
        seconds: impl Fn(SystemTime) -> f64,
    ) -> Vec<ReplicaSample> {
        let mut newest: BTreeMap<&str, Replicas> = BTreeMap::new();
        let mut samples = Vec::new();
        for Announcement {
            at,
            deployment,
            replicas,
        } in &self.replicas
        {
            let scaled = scenario.deployments.iter().any(|d| d.name == *deployment);
            if scaled && newest.insert(deployment, *replicas) != Some(*replicas) {
                samples.push(ReplicaSample {
                    at: seconds(*at),
                    deployment: deployment.clone(),
                    desired: replicas.desired,
                    ready: replicas.ready,
                });
            }
        }
        samples
    }

    fn decisions(
        &self,
        autoscaler: Autoscaler,
        seconds: impl Fn(SystemTime) -> f64,
    ) -> Vec<DecisionEntry> {
        match autoscaler {
            Autoscaler::Hpa => hpa_decisions(&self.notices, seconds),
            Autoscaler::Viperscale => {
                let read_at = seconds(self.changes_read_at);
                let entry = |change: &ChangeDecision| DecisionEntry {
                    at: read_at + change.at,
                    deployment: change.deployment.clone(),
                    from: change.from,
                    to: change.to,
                    reason: change.reason.clone(),
                    message: change.message.clone(),
                };
                self.changes.iter().map(entry).collect()
            }
        }
    }

    async fn metrics_phase(
        &mut self,
        step_at: SystemTime,
        running: &Running,
    ) -> Option<MetricsPhase> {
        // Another node does not tell it; that is no reason to lose a trial.
        let schedule = self.schedule.take()?.await.ok()?;
        match schedule {
            Ok(schedule) => Some(schedule.seen_from(step_at, &self.pods, &running.hpas_created_at)),
            Err(error) => {
                tracing::debug!(%error, "no schedule");
                None
            }
        }
    }
}

/// The requests and users in Locust's events.
fn read_events(
    path: &Path,
    seconds: impl Fn(SystemTime) -> f64,
) -> Result<(Vec<RequestRecord>, Vec<UserSample>)> {
    let what = || format!("cannot read {}", path.display());
    let (mut requests, mut users) = (Vec::new(), Vec::new());
    for line in BufReader::new(fs::File::open(path).with_context(what)?).lines() {
        match Event::parse(&line.with_context(what)?).with_context(what)? {
            Event::Request(request) => requests.push(RequestRecord {
                at: seconds(request.at),
                route: request.route,
                status: request.status,
                ms: request.latency.as_secs_f64() * 1000.0,
                ok: request.ok,
                error: request.error,
            }),
            Event::Users { at, users: count } => users.push(UserSample {
                at: seconds(at),
                users: count,
            }),
            Event::Stage { .. } | Event::End { .. } => {}
        }
    }
    requests.sort_by(|a, b| a.at.total_cmp(&b.at));
    Ok((requests, users))
}

async fn versions(trial: &Trial<'_>, running: &Running) -> BTreeMap<String, String> {
    let kubernetes = match &trial.job.place {
        Place::Foreign(cluster) => cluster.version.clone(),
        Place::Local => match running.client.apiserver_version().await {
            Ok(version) => format!("{} (local)", version.git_version),
            Err(_) => "local".to_owned(),
        },
    };
    BTreeMap::from([
        ("kubernetes".to_owned(), kubernetes),
        ("locust".to_owned(), locust::version().to_owned()),
        (
            "viperscale".to_owned(),
            env!("CARGO_PKG_VERSION").to_owned(),
        ),
    ])
}

fn machine_of(place: &Place) -> Machine {
    match place {
        Place::Local => machine::this_one(place.name()),
        Place::Foreign(cluster) => cluster.machine.clone(),
    }
}

fn unix_ms(at: SystemTime) -> u64 {
    let since = at
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
