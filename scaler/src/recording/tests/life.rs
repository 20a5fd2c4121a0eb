//! A deployment's life under a recorded controller.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use scaler_core::{
    Autoscaler, Circumstances, ContainerObservation, ContainerSample, Log2Histogram, Metric,
    MetricDelta, NodeSample, Observation, PodObservation, PodPhase, Rival, RivalKind,
    ScalingPolicy, Scheduling, Timestamp, Windows, policy,
};

use super::super::encode::Encoder;
use super::super::entry::Start;
use crate::workloads::DeploymentKey;

const METRICS: [&str; 5] = [
    "{name: runqLatency, threshold: 2ms}",
    "{name: runqLatency, threshold: 2ms, container: server, statistic: p99}, {name: userPageFaults, threshold: 900}",
    "{name: userPageFaults, threshold: 1000}",
    "{name: userPageFaults, threshold: 1000, response: Step}",
    "{name: runqLatency, threshold: 2ms, response: Proportional, statistic: avg}",
];

pub(super) fn policy(metrics: usize, window: u64) -> Arc<ScalingPolicy> {
    let text = format!(
        "apiVersion: viperscale.dev/v1alpha1\nkind: ScalingPolicy\nmetadata: {{name: p, namespace: shop}}\n\
         spec: {{scaleTargetRef: {{kind: Deployment, name: web}}, maxReplicas: 30, window: {window}s, \
         metrics: [{}], behavior: {{scaleDown: {{stabilizationWindowSeconds: 20}}}}, \
         fallback: {{replicas: 6, after: 10s}}}}\n",
        METRICS[metrics]
    );
    Arc::new(policy::load(&text, "test.yaml").unwrap().remove(0))
}

/// One second of a deployment's life.
#[derive(Debug, Clone)]
pub(super) struct Second {
    /// Per pod; `None` where the agent is silent.
    load: Option<(u64, u64, u64)>,
    throttled: bool,
    node_busy: f64,
    /// Another policy comes into force.
    pub(super) policy: Option<usize>,
    /// Somebody else sets the replicas.
    meddled: Option<u32>,
    /// Another autoscaler is there.
    rival: bool,
    /// The API server has been silent for long.
    outdated: bool,
    /// The scheduler hook saw something run.
    scheduler_seen: bool,
    /// The change is written late, or not at all.
    pub(super) write: Write,
    /// How the second is off the full one, in nanoseconds.
    jitter: u64,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Write {
    AtOnce,
    Never,
}

prop_compose! {
    pub(super) fn any_second()(
        load in proptest::option::weighted(0.9, (0u64..8000, 0u64..300, 0u64..60_000_000)),
        throttled: bool, node_busy in 0.0f64..=1.0,
        policy in proptest::option::weighted(0.02, 0..METRICS.len()),
        meddled in proptest::option::weighted(0.02, 0u32..12),
        rare in 0u8..40, scheduler_seen: bool, fails in 0u8..10, jitter in 0u64..400_000_000,
    ) -> Second {
        let write = if fails == 0 { Write::Never } else { Write::AtOnce };
        let (rival, outdated) = (rare == 0, rare == 1);
        Second {
            load, throttled, node_busy, policy, meddled, rival, outdated, scheduler_seen, write, jitter,
        }
    }
}

fn pods(count: u32, now: Timestamp, born: &mut BTreeMap<u32, Timestamp>) -> Vec<PodObservation> {
    born.retain(|index, _| *index < count);
    let pod = |index: u32| {
        let born = *born.entry(index).or_insert(now);
        PodObservation {
            uid: format!("pod-{index}").into(),
            name: format!("web-{index}").into(),
            node: (index % 5 != 4).then(|| "n1".into()),
            phase: if index % 7 == 6 {
                PodPhase::Pending
            } else {
                PodPhase::Running
            },
            terminating: false,
            ready: index % 7 != 6,
            outdated: index % 3 == 1,
            age: (index % 7 != 6).then(|| now.since(born)),
            containers: ["server", "proxy"]
                .map(|name| ContainerObservation {
                    name: name.into(),
                    cpu_limit: (name == "server").then_some(0.2),
                })
                .to_vec(),
        }
    };
    (0..count).map(pod).collect()
}

fn sample(
    now: Timestamp,
    second: &Second,
    (faults, waits, wait): (u64, u64, u64),
) -> ContainerSample {
    let mut histogram = Log2Histogram::default();
    histogram.record(wait, waits);
    let metrics = [
        (
            Metric::RunqLatency,
            MetricDelta {
                count: waits,
                sum: waits * wait,
                histogram,
                sampling: 0.3,
                relative_error: 0.25,
            },
        ),
        (
            Metric::UserPageFaults,
            MetricDelta {
                count: faults,
                sum: faults,
                sampling: 1.0,
                ..MetricDelta::default()
            },
        ),
    ];
    let throttled = u64::from(second.throttled);
    ContainerSample {
        received_at: now,
        interval: Duration::from_nanos(1_000_000_000 + second.jitter),
        metrics: metrics.into(),
        scheduling: Some(Scheduling {
            on_cpu: Duration::from_micros(faults * 25),
            wait: Duration::from_nanos(waits * wait),
            voluntary_switches: waits,
            involuntary_switches: waits / 3,
            throttled: Duration::from_millis(700 * throttled),
            throttled_periods: 9 * throttled,
            quota_periods: 10,
        }),
    }
}

fn rival() -> Rival {
    Rival {
        kind: RivalKind::HorizontalPodAutoscaler,
        namespace: "shop".to_owned(),
        name: "web".to_owned(),
    }
}

/// What the controller does with a core, as far as recordings go; every entry also goes to `encoder`.
pub(super) struct Controller {
    pub(super) encoder: Encoder,
    windows: Windows,
    autoscaler: Autoscaler,
    policy: Arc<ScalingPolicy>,
    key: DeploymentKey,
    replicas: u32,
    born: BTreeMap<u32, Timestamp>,
    second: u64,
    pub(super) decisions: u64,
}

impl Controller {
    pub(super) fn new(first: Arc<ScalingPolicy>) -> Self {
        let (second, policy) = (1_000_000, ScalingPolicy::clone(&first));
        // It takes over from another, whose last changes were seen.
        let change = |ago, from, to| (Timestamp::from_secs(second - ago), from, to);
        let changes = [change(20, 1, 3), change(10, 3, 2)];
        let autoscaler = Autoscaler::taking_over(policy, changes, Timestamp::from_secs(second));
        let mut controller = Controller {
            encoder: Encoder::default(),
            windows: Windows::default(),
            autoscaler,
            policy: first.clone(),
            key: DeploymentKey::new("shop", "web"),
            replicas: 2,
            born: BTreeMap::new(),
            second,
            decisions: 0,
        };
        controller.start(0);
        controller.encoder.policy(&controller.key, &first);
        let memory = controller.autoscaler.memory();
        let begun = Timestamp::from_secs(second);
        controller.encoder.memory(&controller.key, begun, &memory);
        controller.keep_nodes();
        controller
    }

    pub(super) fn start(&mut self, number: u64) {
        self.encoder.start(&Start {
            scaler_version: "test".to_owned(),
            // After everything that this second brought.
            at: Timestamp::new(Duration::from_millis(self.second * 1000 + 500)),
            wall_ms: 1_800_000_000_000 + (self.second as i64 - 1_000_000) * 1000,
            retention: Duration::from_secs(65),
            begins: number == 0,
            lost_blocks: 0,
            session: 7,
            number,
        });
    }

    /// Samples of nodes are kept for the policy's window.
    fn keep_nodes(&mut self) {
        self.encoder.node_window(self.policy.window);
        self.windows.set_node_window(self.policy.window);
    }

    pub(super) fn live(&mut self, second: &Second) {
        self.second += 1;
        let now =
            Timestamp::new(Duration::from_secs(self.second) + Duration::from_nanos(second.jitter));
        if let Some(index) = second.policy {
            let window = 3 + index as u64;
            self.policy = policy(index, window);
            self.encoder.policy(&self.key, &self.policy);
            self.autoscaler
                .set_policy(ScalingPolicy::clone(&self.policy));
            self.keep_nodes();
        }
        self.replicas = second.meddled.unwrap_or(self.replicas);
        let pods = pods(self.replicas, now, &mut self.born);
        let node = NodeSample {
            received_at: now,
            interval: Duration::from_secs(1),
            cpus: 2,
            busy: Duration::from_secs_f64(2.0 * second.node_busy),
            scheduler_seen: second.scheduler_seen,
            ..NodeSample::default()
        };
        self.encoder.node("n1", &node);
        self.windows.record_node("n1", node);
        for pod in &pods {
            for container in &pod.containers {
                let Some(load) = second.load else { continue };
                let sample = sample(now, second, load);
                let (uid, window) = (&pod.uid, self.policy.window);
                self.encoder
                    .container(uid.as_str(), &container.name, window, &sample);
                self.windows
                    .record_for(window, uid, &container.name, &sample);
            }
        }
        let observation = Observation {
            current_replicas: self.replicas,
            pods,
            windows: &self.windows,
            circumstances: Circumstances {
                rivals: (second.rival.then(rival)).into_iter().collect(),
                outdated: (second.outdated).then(|| "the watch of pods fails".to_owned()),
            },
        };
        let decision = self.autoscaler.decide(&observation, now);
        self.encoder
            .decision(&self.key, now, &observation, &decision);
        self.decisions += 1;
        if let (Some(to), Write::AtOnce) = (decision.change(), second.write) {
            self.autoscaler.scaled(self.replicas, to, now);
            self.encoder.scaled(&self.key, self.replicas, to, now);
            self.replicas = to;
        }
        if self.second.is_multiple_of(5) {
            self.windows.prune(now);
            self.encoder.pruned(now);
        }
        if self.second.is_multiple_of(20) {
            self.encoder
                .memory(&self.key, now, &self.autoscaler.memory());
        }
    }
}
