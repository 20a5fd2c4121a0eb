//! A made-up comparison, for tests of what shows one.
//!
//! A fluid model of one bottleneck: what Recommendation cannot carry fails. The HPA looks late and scales what looks
//! busy; Viperscale looks at once. The records are made up; everything computed from them is the real code's.

use std::collections::BTreeMap;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::record::{
    CpuSample, DecisionEntry, DeploymentFacts, Machine, Metadata, MetricsPhase, OverheadSample,
    ReplicaSample, RequestRecord, UserSample,
};
use crate::{Autoscaler, Comparison, Scenario, TrialKey, TrialRecord, compare};

/// Page requests per second of the most users, however many the scenario has.
const MOST_REQUESTS: f64 = 28.0;
/// Page requests per second that one pod of Recommendation carries.
const CAPACITY: f64 = 9.0;
/// Seconds from a patch to a ready pod.
const START_UP: f64 = 1.2;
/// Routes and their share of requests.
const ROUTES: [(&str, f64); 6] = [
    ("GET /", 0.06),
    ("POST /setCurrency", 0.09),
    ("GET /product/{id}", 0.58),
    ("POST /cart", 0.12),
    ("GET /cart", 0.11),
    ("POST /cart/checkout", 0.04),
];
/// CPU seconds of each deployment per page request.
const COST: [(&str, f64); 5] = [
    ("frontend", 0.0045),
    ("recommendationservice", 0.0162),
    ("currencyservice", 0.0022),
    ("cartservice", 0.0006),
    ("productcatalogservice", 0.0015),
];

/// `(seconds after the step, deployment, replicas)`.
type Patches = &'static [(f64, &'static str, u32)];

const HPA: Patches = &[
    (14.0, "recommendationservice", 2),
    (15.5, "frontend", 3),
    (16.0, "currencyservice", 2),
    (29.0, "recommendationservice", 4),
    (30.5, "frontend", 6),
    (31.0, "currencyservice", 4),
    (44.0, "recommendationservice", 5),
    (45.5, "frontend", 7),
];

const VIPERSCALE: Patches = &[
    (1.1, "recommendationservice", 3),
    (2.6, "recommendationservice", 4),
    (8.0, "frontend", 2),
];

impl Comparison {
    /// A plausible comparison, the same each time: five trials each of the scenario `bottleneck`.
    ///
    /// # Panics
    /// When the crate's own scenario is broken, which its tests would show.
    #[must_use]
    pub fn example() -> Self {
        let scenario = Scenario::load("bottleneck").expect("built in");
        compare(&scenario, &example_records(&scenario)).expect("made to belong together")
    }
}

/// The records behind [`Comparison::example`], of whatever scenario.
pub(crate) fn example_records(scenario: &Scenario) -> Vec<TrialRecord> {
    TrialKey::schedule(scenario.trials)
        .into_iter()
        .map(|key| record(scenario, key))
        .collect()
}

fn record(scenario: &Scenario, key: TrialKey) -> TrialRecord {
    let seed = scenario.load.seed_of(key.trial);
    // What users do follows from the seed alone, what the system does from the autoscaler too.
    let mut users = ChaCha8Rng::seed_from_u64(seed);
    let mut system = ChaCha8Rng::seed_from_u64(seed ^ ((key.autoscaler as u64 + 1) << 32));
    let planned = f64::from(scenario.load.step_second());
    let step = planned + system.random_range(0.05..0.3);
    let (replicas, decisions) = scaling(scenario, key.autoscaler, step, &mut system);
    let mut record = TrialRecord {
        metadata: metadata(scenario, key, step),
        requests: Vec::new(),
        users: Vec::new(),
        replicas,
        cpu: Vec::new(),
        overhead: Vec::new(),
        decisions,
    };
    let mut cpu = 0.0;
    let most_users = scenario.load.users_per_second().into_iter().max();
    let rate = MOST_REQUESTS / f64::from(most_users.unwrap_or(1));
    for (second, count) in (0u32..).zip(scenario.load.users_per_second()) {
        let at = f64::from(second);
        let pods = ready(&record.replicas, "recommendationservice", at);
        let offered = f64::from(count) * rate;
        // The step's users come a little late, as Locust's do.
        let late = if at >= planned { step - planned } else { 0.0 };
        record.users.push(UserSample {
            at: at + late,
            users: count,
        });
        let overload = (offered / (f64::from(pods) * CAPACITY)).max(1.0);
        let served = offered / overload;
        for _ in 0..offered.round() as u32 {
            let drawn = (users.random_range(0.0..1.0), users.random_range(0.0..1.0));
            record
                .requests
                .push(request(at + late, overload, drawn, &mut system));
        }
        cpu += served;
        record.cpu.extend(COST.map(|(deployment, cost)| CpuSample {
            at: at + 1.0,
            deployment: deployment.to_owned(),
            cpu_seconds: cpu * cost,
        }));
        record.overhead.extend(overhead(key.autoscaler, at + 1.0));
    }
    record.requests.sort_by(|a, b| a.at.total_cmp(&b.at));
    record
}

fn request(
    second: f64,
    overload: f64,
    (when, which): (f64, f64),
    system: &mut ChaCha8Rng,
) -> RequestRecord {
    let mut left = which;
    let route = ROUTES.iter().find(|(_, share)| {
        left -= share;
        left < 0.0
    });
    let (route, _) = route.unwrap_or(&ROUTES[0]);
    let recommends = !matches!(*route, "GET /" | "POST /setCurrency");
    let ok = !recommends || system.random_range(0.0..1.0) < 1.0 / overload;
    let slow = if recommends {
        (overload - 1.0) * 600.0
    } else {
        0.0
    };
    let ms: f64 = if ok { 12.0 + slow } else { 1_000.0 };
    let ms = ms.min(990.0) * system.random_range(0.7..1.6);
    RequestRecord {
        at: second + when + ms / 1000.0,
        route: (*route).to_owned(),
        status: if ok { 200 } else { 500 },
        ms,
        ok,
        error: (!ok).then(|| "HTTP 500".to_owned()),
    }
}

fn scaling(
    scenario: &Scenario,
    autoscaler: Autoscaler,
    step: f64,
    system: &mut ChaCha8Rng,
) -> (Vec<ReplicaSample>, Vec<DecisionEntry>) {
    let patches = match autoscaler {
        Autoscaler::Hpa => HPA,
        Autoscaler::Viperscale => VIPERSCALE,
    };
    let delay = match autoscaler {
        Autoscaler::Hpa => system.random_range(-5.0..5.0),
        Autoscaler::Viperscale => system.random_range(-0.4..0.4),
    };
    let sample = |at, deployment: &str, desired, ready| ReplicaSample {
        at,
        deployment: deployment.to_owned(),
        desired,
        ready,
    };
    let mut now: BTreeMap<&str, u32> = BTreeMap::new();
    let mut samples = Vec::new();
    for deployment in &scenario.deployments {
        now.insert(&deployment.name, 1);
        samples.push(sample(0.0, &deployment.name, 1, 1));
    }
    let mut decisions = Vec::new();
    for &(after, deployment, to) in patches {
        let at = step + after + delay;
        let Some(from) = now.insert(deployment, to) else {
            continue;
        };
        samples.push(sample(at, deployment, to, from));
        samples.push(sample(at + START_UP, deployment, to, to));
        let (reason, message) = match autoscaler {
            Autoscaler::Hpa => (
                "SuccessfulRescale",
                format!(
                    "New size: {to}; reason: cpu resource utilization (percentage of request) above target"
                ),
            ),
            Autoscaler::Viperscale => (
                "Scale",
                format!("runqLatency p95 of server 37.6ms over 5ms: {from} -> {to} replicas"),
            ),
        };
        decisions.push(DecisionEntry {
            at,
            deployment: deployment.to_owned(),
            from,
            to,
            reason: reason.to_owned(),
            message,
        });
    }
    samples.sort_by(|a, b| a.at.total_cmp(&b.at));
    (samples, decisions)
}

fn ready(samples: &[ReplicaSample], deployment: &str, at: f64) -> u32 {
    let mut own = samples.iter().rev().filter(|s| s.deployment == deployment);
    own.find(|sample| sample.at <= at)
        .map_or(1, |sample| sample.ready)
}

fn overhead(autoscaler: Autoscaler, at: f64) -> Vec<OverheadSample> {
    let processes: &[(&str, f64)] = match autoscaler {
        Autoscaler::Hpa => &[("horizontal controller", 0.001), ("metrics chain", 0.002)],
        Autoscaler::Viperscale => &[("scaler", 0.004), ("probe-agent", 0.006)],
    };
    processes
        .iter()
        .map(|&(process, cores)| OverheadSample {
            at,
            process: process.to_owned(),
            cpu_seconds: cores * at,
        })
        .collect()
}

fn metadata(scenario: &Scenario, key: TrialKey, step: f64) -> Metadata {
    let facts = DeploymentFacts {
        cpu_request_cores: 0.1,
        cpu_limit_cores: Some(0.2),
        min_replicas: 1,
        max_replicas: 20,
    };
    let names = scenario.deployments.iter().map(|d| d.name.clone());
    let versions = [
        ("kubernetes", "local"),
        ("locust", "2.40.0"),
        ("viperscale", "0.1.0"),
    ];
    Metadata {
        schema_version: Metadata::SCHEMA_VERSION,
        scenario: scenario.name.clone(),
        scenario_hash: scenario.hash(),
        autoscaler: key.autoscaler,
        trial: key.trial,
        seed: scenario.load.seed_of(key.trial),
        begin_unix_ms: 1_790_000_000_000 + u64::from(key.trial) * 300_000,
        step_at_seconds: step,
        duration_seconds: f64::from(scenario.load.seconds()),
        load_complete: true,
        versions: versions.map(|(a, b)| (a.to_owned(), b.to_owned())).into(),
        machine: Machine {
            cluster: "local cluster".into(),
            cpus: 2,
            cpu_model: "made up".into(),
            memory_bytes: 8 << 30,
            kernel: "6.18".into(),
        },
        deployments: names.map(|name| (name, facts)).collect(),
        metrics_phase: (key.autoscaler == Autoscaler::Hpa).then(|| MetricsPhase {
            next_poll_seconds: 7.5,
            next_sample_seconds: BTreeMap::from([("recommendationservice".to_owned(), 4.0)]),
            next_sync_seconds: BTreeMap::from([("recommendationservice".to_owned(), 11.0)]),
        }),
        remarks: Vec::new(),
        complete: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comparison::{Metric, Winner};

    #[test]
    fn the_example_is_whole_and_the_same_each_time() {
        let example = Comparison::example();
        assert_eq!(example, Comparison::example());
        assert_eq!(example.rows().len(), Metric::ALL.len());
        let failed = &example.rows()[0];
        assert_eq!(failed.winner, Winner::Viperscale);
        assert!(failed.estimates.viperscale.median > 0.0);
        assert_eq!(example.trials.len(), 10);
        assert!(example.trials.iter().all(|view| view.at_rest));
        assert!(
            example
                .trials
                .iter()
                .all(|view| view.measures.direction_changes == 0)
        );
    }
}
