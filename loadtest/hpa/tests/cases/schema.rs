//! Shapes the groups share, and what they are in the library.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stock_hpa::behavior::{PolicyKind, ScalingPolicy, SelectPolicy};
use stock_hpa::client::{PodSample, PodSamples, RawContainerMetrics, RawPodMetrics, Samples};
use stock_hpa::history::{Recommendation, ScaleEvent};
use stock_hpa::pod::{Container, Phase, ReadyCondition};
use stock_hpa::spec::ObjectRef;
use stock_hpa::{Behavior, Features, Moment, Pod, ScalingRules};

pub(crate) fn secs(length: i64) -> Duration {
    Duration::from_secs(u64::try_from(length).expect("lengths are not negative"))
}

/// A moment in the tables' whole seconds.
pub(crate) fn secs_of(moment: Moment) -> i64 {
    moment.millis() / 1000
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PodIn {
    name: String,
    phase: String,
    being_deleted: bool,
    start_time_s: Option<i64>,
    ready_condition: Option<ReadyIn>,
    containers: Vec<ContainerIn>,
    init_containers: Vec<ContainerIn>,
    pod_level_requests_milli: Option<BTreeMap<String, i64>>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadyIn {
    status: String,
    last_transition_s: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ContainerIn {
    name: String,
    requests_milli: BTreeMap<String, i64>,
    restart_policy: Option<String>,
}

impl From<PodIn> for Pod {
    fn from(pod: PodIn) -> Self {
        let phase = match pod.phase.as_str() {
            "" => Phase::Unset,
            "Pending" => Phase::Pending,
            "Running" => Phase::Running,
            "Succeeded" => Phase::Succeeded,
            "Failed" => Phase::Failed,
            other => panic!("unknown phase {other}"),
        };
        let container = |container: ContainerIn| Container {
            name: container.name,
            requests: container.requests_milli,
            restart_always: container.restart_policy.as_deref() == Some("Always"),
        };
        Self {
            name: pod.name,
            labels: pod.labels,
            phase,
            being_deleted: pod.being_deleted,
            start_time: pod.start_time_s.map(Moment::from_secs),
            ready: pod.ready_condition.map(|condition| ReadyCondition {
                ready: condition.status == "True",
                last_transition: Moment::from_secs(condition.last_transition_s),
            }),
            containers: pod.containers.into_iter().map(container).collect(),
            init_containers: pod.init_containers.into_iter().map(container).collect(),
            pod_level_requests: pod.pod_level_requests_milli,
        }
    }
}

pub(crate) fn pods(pods: Vec<PodIn>) -> Vec<Pod> {
    pods.into_iter().map(Pod::from).collect()
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
pub(crate) struct RulesIn {
    tolerance: Option<f64>,
    stabilization_window_s: Option<i64>,
    select_policy: Option<SelectPolicy>,
    policies: Option<Vec<PolicyIn>>,
    tolerance_quantity: Option<String>,
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
struct PolicyIn {
    r#type: PolicyKind,
    value: i32,
    period_s: i64,
}

impl RulesIn {
    pub(crate) fn rules(&self) -> ScalingRules {
        let policy = |policy: &PolicyIn| ScalingPolicy {
            kind: policy.r#type,
            value: policy.value,
            period: secs(policy.period_s),
        };
        ScalingRules {
            stabilization_window: self.stabilization_window_s.map(secs),
            select_policy: self.select_policy,
            policies: self
                .policies
                .as_ref()
                .map(|list| list.iter().map(policy).collect()),
            tolerance: self.tolerance,
        }
    }
}

/// Rules as the tables write them; the tolerance's text is that of `written`.
pub(crate) fn rules_out(rules: &ScalingRules, written: Option<&RulesIn>) -> Value {
    let policy = |policy: &ScalingPolicy| json!({"type": policy.kind, "value": policy.value, "period_s": policy.period.as_secs()});
    json!({
        "tolerance": rules.tolerance,
        "stabilization_window_s": rules.stabilization_window.map(|window| window.as_secs()),
        "select_policy": rules.select_policy,
        "policies": rules.policies.as_ref().map(|list| list.iter().map(policy).collect::<Vec<_>>()),
        "tolerance_quantity": written.and_then(|rules| rules.tolerance_quantity.clone()),
    })
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
pub(crate) struct BehaviorIn {
    pub(crate) scale_up: Option<RulesIn>,
    pub(crate) scale_down: Option<RulesIn>,
}

impl BehaviorIn {
    pub(crate) fn behavior(&self) -> Behavior {
        Behavior {
            scale_up: self.scale_up.as_ref().map(RulesIn::rules),
            scale_down: self.scale_down.as_ref().map(RulesIn::rules),
        }
    }
}

#[derive(Deserialize, Serialize, Clone, Copy)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventIn {
    replica_change: i32,
    time_s: i64,
    outdated: bool,
}

pub(crate) fn events(events: &[EventIn]) -> Vec<ScaleEvent> {
    let event = |event: &EventIn| ScaleEvent {
        replica_change: event.replica_change,
        at: Moment::from_secs(event.time_s),
        outdated: event.outdated,
    };
    events.iter().map(event).collect()
}

pub(crate) fn events_out(events: &[ScaleEvent]) -> Value {
    let event = |event: &ScaleEvent| EventIn {
        replica_change: event.replica_change,
        time_s: secs_of(event.at),
        outdated: event.outdated,
    };
    json!(events.iter().map(event).collect::<Vec<_>>())
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecommendationIn {
    replicas: i32,
    time_s: i64,
}

pub(crate) fn recommendations(log: &[RecommendationIn]) -> Vec<Recommendation> {
    let entry = |entry: &RecommendationIn| Recommendation {
        replicas: entry.replicas,
        at: Moment::from_secs(entry.time_s),
    };
    log.iter().map(entry).collect()
}

pub(crate) fn recommendations_out(log: &[Recommendation]) -> Value {
    let entry = |entry: &Recommendation| RecommendationIn {
        replicas: entry.replicas,
        time_s: secs_of(entry.at),
    };
    json!(log.iter().map(entry).collect::<Vec<_>>())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SampleIn {
    pub(crate) name: String,
    pub(crate) value_milli: i64,
    #[serde(default)]
    pub(crate) timestamp_s: i64,
    #[serde(default)]
    pub(crate) window_s: i64,
}

pub(crate) fn samples(samples: &[SampleIn]) -> PodSamples {
    let sample = |sample: &SampleIn| {
        let timestamp = Moment::from_secs(sample.timestamp_s);
        let (value_milli, window) = (sample.value_milli, secs(sample.window_s));
        (
            sample.name.clone(),
            PodSample {
                value_milli,
                timestamp,
                window,
            },
        )
    };
    samples.iter().map(sample).collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AnswerIn {
    pub(crate) source: String,
    pub(crate) error: Option<String>,
    pub(crate) resource: Option<String>,
    pub(crate) container: Option<String>,
    pub(crate) metric_name: Option<String>,
    #[serde(rename = "object")]
    _object: Option<ObjectIn>,
    pub(crate) pods: Option<Vec<SampleIn>>,
    pub(crate) value_milli: Option<i64>,
    pub(crate) values_milli: Option<Vec<i64>>,
}

impl AnswerIn {
    pub(crate) fn samples(&self) -> Result<Samples, String> {
        if let Some(error) = &self.error {
            return Err(error.clone());
        }
        Ok(match self.source.as_str() {
            "resource" | "pods" => Samples::Pods(samples(self.pods.as_deref().expect("pods"))),
            "object" => Samples::Object(self.value_milli.expect("a value")),
            "external" => Samples::External(self.values_milli.clone().expect("values")),
            other => panic!("unknown source {other}"),
        })
    }
}

#[derive(Deserialize, Clone, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct ObjectIn {
    name: String,
    kind: String,
    api_version: String,
}

impl From<ObjectIn> for ObjectRef {
    fn from(object: ObjectIn) -> Self {
        Self {
            api_version: object.api_version,
            kind: object.kind,
            name: object.name,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawPodIn {
    name: String,
    containers: Vec<RawContainerIn>,
    timestamp_s: i64,
    window_s: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawContainerIn {
    name: String,
    usage_milli: Usage,
}

/// Per resource, or of the case's one resource.
#[derive(Deserialize)]
#[serde(untagged)]
enum Usage {
    Each(BTreeMap<String, i64>),
    One(Option<i64>),
}

impl RawPodIn {
    pub(crate) fn raw(self, resource: &str) -> RawPodMetrics {
        let container = |container: RawContainerIn| RawContainerMetrics {
            name: container.name,
            usage_milli: match container.usage_milli {
                Usage::Each(usage) => usage,
                Usage::One(usage) => usage
                    .map(|n| (resource.to_owned(), n))
                    .into_iter()
                    .collect(),
            },
        };
        RawPodMetrics {
            name: self.name,
            containers: self.containers.into_iter().map(container).collect(),
            timestamp: Moment::from_secs(self.timestamp_s),
            window: secs(self.window_s),
        }
    }
}

#[derive(Deserialize, Clone, Copy)]
#[serde(deny_unknown_fields)]
pub(crate) struct FeaturesIn {
    #[serde(default)]
    hpa_scale_to_zero: bool,
    #[serde(default)]
    hpa_configurable_tolerance: bool,
    #[serde(default)]
    pod_level_resources: bool,
}

impl From<FeaturesIn> for Features {
    fn from(features: FeaturesIn) -> Self {
        Self {
            scale_to_zero: features.hpa_scale_to_zero,
            configurable_tolerance: features.hpa_configurable_tolerance,
            pod_level_resources: features.pod_level_resources,
        }
    }
}
