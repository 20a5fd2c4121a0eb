//! A small trial made by hand, whose every measure can be computed on paper.

use comparison::record::{
    CpuSample, DecisionEntry, DeploymentFacts, Machine, Metadata, OverheadSample, ReplicaSample,
    RequestRecord, UserSample,
};
use comparison::{Autoscaler, Scenario, TrialKey, TrialRecord};

/// Ten seconds of 2 users, then ten of 8; one scaled deployment of 1 to 4 replicas.
pub(crate) fn scenario(trials: u32) -> Scenario {
    let text = format!(
        "\
name: small
description: By hand.
deployments:
  - name: frontend
load:
  step: rush
  phases:
    - {{name: base, seconds: 10, users: 2}}
    - {{name: rush, seconds: 10, users: 8}}
trials: {trials}
"
    );
    Scenario::parse(&text, "small.yaml").expect("a scenario")
}

/// Every user asks for a page each second, 50 ms after its begin, and gets it after 20 ms. From the step at 10 s on,
/// half of the pages fail until the patch to 3 replicas, `delay` seconds after the step, is ready a second later.
/// A page costs 20 ms of CPU; one that fails costs 40 ms, because it is tried twice.
pub(crate) fn record(scenario: &Scenario, key: TrialKey, delay: u32) -> TrialRecord {
    let delay = f64::from(delay);
    let mut requests = Vec::new();
    let mut cpu = Vec::new();
    let mut work = 0;
    for (second, users) in scenario.load.users_per_second().into_iter().enumerate() {
        let second = second as f64;
        let short = second >= 10.0 && second < 11.0 + delay;
        for user in 0..users {
            let ok = !short || user % 2 == 0;
            work += if ok { 1 } else { 2 };
            requests.push(RequestRecord {
                at: second + 0.07,
                route: if user % 4 == 1 { "GET /cart" } else { "GET /" }.into(),
                status: if ok { 200 } else { 500 },
                ms: 20.0,
                ok,
                error: (!ok).then(|| "500".into()),
            });
        }
        // A division, so that it is a short decimal, which JSON keeps exactly.
        let used = f64::from(work) / 50.0;
        let sample = |deployment: &str, cpu_seconds| CpuSample {
            at: second + 1.0,
            deployment: deployment.into(),
            cpu_seconds,
        };
        cpu.extend([sample("frontend", used), sample("redis-cart", 0.1)]);
    }
    let replicas = |at, desired, ready| ReplicaSample {
        at,
        deployment: "frontend".into(),
        desired,
        ready,
    };
    let users = |at, users| UserSample { at, users };
    TrialRecord {
        metadata: metadata(scenario, key),
        requests,
        users: vec![users(0.0, 2), users(10.0, 8)],
        replicas: vec![
            replicas(-1.0, 1, 1),
            replicas(10.0 + delay, 3, 1),
            replicas(11.0 + delay, 3, 3),
        ],
        cpu,
        overhead: vec![OverheadSample {
            at: 20.0,
            process: "scaler".into(),
            cpu_seconds: 0.25,
        }],
        decisions: vec![DecisionEntry {
            at: 10.0 + delay,
            deployment: "frontend".into(),
            from: 1,
            to: 3,
            reason: "Scale".into(),
            message: "1 -> 3 replicas".into(),
        }],
    }
}

/// Trials of both, of which the HPA answers after 6 s and Viperscale after 1 s.
pub(crate) fn records(scenario: &Scenario) -> Vec<TrialRecord> {
    let delay = |key: TrialKey| match key.autoscaler {
        Autoscaler::Hpa => 6,
        Autoscaler::Viperscale => 1,
    };
    TrialKey::schedule(scenario.trials)
        .into_iter()
        .map(|key| record(scenario, key, delay(key)))
        .collect()
}

fn metadata(scenario: &Scenario, key: TrialKey) -> Metadata {
    let facts = DeploymentFacts {
        cpu_request_cores: 0.1,
        cpu_limit_cores: Some(0.1),
        min_replicas: 1,
        max_replicas: 4,
    };
    Metadata {
        schema_version: Metadata::SCHEMA_VERSION,
        scenario: scenario.name.clone(),
        scenario_hash: scenario.hash(),
        autoscaler: key.autoscaler,
        trial: key.trial,
        seed: scenario.load.seed_of(key.trial),
        begin_unix_ms: 1_790_000_000_000,
        step_at_seconds: 10.0,
        duration_seconds: 20.0,
        load_complete: true,
        versions: [("locust".to_owned(), "2.40.0".to_owned())].into(),
        machine: Machine {
            cluster: "local cluster".into(),
            cpus: 2,
            cpu_model: "made by hand".into(),
            memory_bytes: 8 << 30,
            kernel: "6.18".into(),
        },
        deployments: [("frontend".to_owned(), facts)].into(),
        metrics_phase: None,
        remarks: Vec::new(),
        complete: false,
    }
}
