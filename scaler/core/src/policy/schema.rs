//! The schema of a ScalingPolicy: which fields there are and what they may say.

use std::collections::BTreeMap;
use std::time::Duration;

use super::fields::{Field, Section};
use super::{MetricPolicy, Mode, Origin, Response, ScalingPolicy};
use crate::behavior::{Amount, Behavior, RateLimit, Rules, SelectPolicy};
use crate::metric::{self, Kind, Metric};
use crate::statistic::Statistic;

const API_VERSION: &str = "viperscale.dev/v1alpha1";
const KIND: &str = "ScalingPolicy";

/// More replicas than any cluster has pods.
const MOST_REPLICAS: u32 = 150_000;
/// The HPA's own bounds (`autoscaling/v2` validation).
const LONGEST_STABILIZATION_SECONDS: u32 = 3600;
const LONGEST_PERIOD_SECONDS: u32 = 1800;
/// The windows of all containers are held in memory, so they cannot be long.
const WINDOW: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(60);
const WARMUP: std::ops::RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(3600);
const DEFAULT_WINDOW: Duration = Duration::from_secs(5);
const DEFAULT_WARMUP: Duration = Duration::from_secs(10);

/// Reads one document; `None` when something essential is missing, which has been noted.
pub(super) fn policy(document: &Field<'_>) -> Option<ScalingPolicy> {
    let mut root = document.section()?;
    if let Some(version) = root.required("apiVersion", API_VERSION) {
        version.exactly(API_VERSION);
    }
    if let Some(kind) = root.required("kind", KIND) {
        kind.exactly(KIND);
    }
    let names = root
        .required("metadata", "name and namespace")
        .and_then(|field| metadata(&field));
    let spec = root
        .required("spec", "the policy")
        .and_then(|field| spec(&field));
    // Written by the scaler when the policy is a custom resource.
    root.ignore(&["status"]);
    root.finish();
    let (name, namespace) = names?;
    Some(ScalingPolicy {
        name,
        namespace,
        ..spec?
    })
}

/// `name` and `namespace`; the rest of the object's metadata belongs to Kubernetes.
fn metadata(field: &Field<'_>) -> Option<(String, String)> {
    let mut section = field.section()?;
    let name = section
        .required("name", "the policy's name")
        .and_then(|field| field.name(253));
    let namespace = section
        .required("namespace", "the deployment's namespace")
        .and_then(|field| field.name(63));
    section.ignore(&[
        "annotations",
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "finalizers",
        "generateName",
        "generation",
        "labels",
        "managedFields",
        "ownerReferences",
        "resourceVersion",
        "selfLink",
        "uid",
    ]);
    section.finish();
    name.zip(namespace)
}

fn spec(field: &Field<'_>) -> Option<ScalingPolicy> {
    let mut section = field.section()?;
    let deployment = section
        .required("scaleTargetRef", "the deployment")
        .and_then(|field| target(&field));
    let replicas = |field: Field<'_>| field.integer(1..=MOST_REPLICAS);
    let min_replicas = section.optional("minReplicas").map_or(Some(1), replicas);
    let max_field = section.required("maxReplicas", "the most replicas there may be");
    let max_replicas = max_field.clone().and_then(replicas);
    if let (Some(min), Some(max), Some(field)) = (min_replicas, max_replicas, max_field)
        && min > max
    {
        field.problem(format!(
            "expected at least minReplicas, which is {min}, found `{max}`"
        ));
    }
    let mode = section
        .optional("mode")
        .map_or(Some(Mode::Active), |field| {
            field.choice(&[
                ("Active", Mode::Active),
                ("DryRun", Mode::DryRun),
                ("Paused", Mode::Paused),
            ])
        });
    let duration = |field: Option<Field<'_>>, range, default| {
        field.map_or(Some(default), |field| field.duration(range))
    };
    let window = duration(section.optional("window"), WINDOW, DEFAULT_WINDOW);
    let warmup = duration(section.optional("warmup"), WARMUP, DEFAULT_WARMUP);
    let metrics = section
        .required("metrics", "at least one metric")
        .and_then(|field| metrics(&field));
    let behavior = section
        .optional("behavior")
        .map_or_else(|| Some(Behavior::default()), |field| behavior(&field));
    section.finish();
    Some(ScalingPolicy {
        name: String::new(),
        namespace: String::new(),
        deployment: deployment?,
        min_replicas: min_replicas?,
        max_replicas: max_replicas?,
        mode: mode?,
        window: window?,
        warmup: warmup?,
        metrics: metrics?,
        behavior: behavior?,
        origin: Origin::default(),
    })
}

fn target(field: &Field<'_>) -> Option<String> {
    let mut section = field.section()?;
    if let Some(version) = section.optional("apiVersion") {
        version.exactly("apps/v1");
    }
    if let Some(kind) = section.required("kind", "`Deployment`") {
        kind.exactly("Deployment");
    }
    let name = section
        .required("name", "the deployment's name")
        .and_then(|field| field.name(253));
    section.finish();
    name
}

fn metrics(field: &Field<'_>) -> Option<Vec<MetricPolicy>> {
    let items = field.list()?;
    if items.is_empty() {
        field.problem("expected at least one metric, found none");
        return None;
    }
    let mut sampling = BTreeMap::new();
    let mut seen = Vec::new();
    let mut metrics = Vec::new();
    for item in &items {
        let Some(policy) = metric(item) else { continue };
        let key = (policy.metric, policy.container.clone(), policy.statistic);
        if seen.contains(&key) {
            item.problem(format!(
                "{} {} is listed twice for the same container",
                policy.metric, policy.statistic
            ));
        }
        seen.push(key);
        // A container has one sampling rate per metric, whoever asks.
        let rate = *sampling
            .entry((policy.metric, policy.container.clone()))
            .or_insert(policy.sampling);
        if rate != policy.sampling {
            item.problem(format!(
                "expected sampling {rate} as in the entry above for {}, found {}",
                policy.metric, policy.sampling
            ));
        }
        metrics.push(policy);
    }
    let complete = metrics.len() == items.len();
    if complete
        && metrics
            .iter()
            .all(|metric| metric.response == Response::Observe)
    {
        field.problem("expected at least one metric with a threshold: Observe proposes nothing");
        return None;
    }
    complete.then_some(metrics)
}

fn metric(field: &Field<'_>) -> Option<MetricPolicy> {
    let mut section = field.section()?;
    let choices = Metric::ALL.map(|metric| (metric.name(), metric));
    let metric = section
        .required("name", &format!("one of {}", metric::names()))
        .and_then(|field| field.choice(&choices));
    let container = match section.optional("container") {
        Some(field) => field.name(63).map(Some),
        None => Some(None),
    };
    let statistic_field = section.optional("statistic");
    let statistics = Statistic::ALL.map(|statistic| (statistic.name(), statistic));
    let statistic = match &statistic_field {
        Some(field) => field.choice(&statistics),
        None => metric.map(Metric::default_statistic),
    };
    let response_field = section.optional("response");
    let response = match &response_field {
        Some(field) => field.choice(&[
            ("Step", Response::Step),
            ("Proportional", Response::Proportional),
            ("Queueing", Response::Queueing),
            ("Observe", Response::Observe),
        ]),
        None => metric.map(Metric::default_response),
    };
    let threshold_field = section.optional("threshold");
    let sampling_field = section.optional("sampling");
    let sampling = sampling_field
        .as_ref()
        .map_or(Some(1.0), Field::probability);
    let (metric, statistic, response) = (metric?, statistic?, response?);

    check_statistic(&section, statistic_field.as_ref(), metric, statistic);
    check_response(
        &section,
        response_field.as_ref(),
        metric,
        statistic,
        response,
    );
    if let (Some(rate), Some(field)) = (sampling, &sampling_field)
        && rate < 1.0
        && !metric.can_be_sampled()
    {
        field.problem(format!(
            "{metric} cannot be sampled: expected 1, found {rate}"
        ));
    }
    let unit = statistic.unit_for(metric);
    let threshold = match (threshold_field, response) {
        (Some(field), Response::Observe) => {
            field.problem(
                "Observe compares with nothing: expected no threshold, or another response",
            );
            None
        }
        (None, Response::Observe) => Some(None),
        (Some(field), _) => field.quantity(unit).map(Some),
        (None, _) => {
            section.problem(format!(
                "field `threshold` is missing: expected {}, or `response: Observe`",
                unit.expectation()
            ));
            None
        }
    };
    section.finish();
    Some(MetricPolicy {
        metric,
        container: container?,
        statistic,
        threshold: threshold?,
        sampling: sampling?,
        response,
    })
}

/// Notes a problem at `field`, or at the metric when the field is not written.
fn note(section: &Section<'_>, field: Option<&Field<'_>>, message: String) {
    match field {
        Some(field) => field.problem(message),
        None => section.problem(message),
    }
}

fn check_statistic(
    section: &Section<'_>,
    field: Option<&Field<'_>>,
    metric: Metric,
    statistic: Statistic,
) {
    if statistic.exists_for(metric) {
        return;
    }
    let why = match metric.kind() {
        Kind::Counter => "a counter, whose events have no values",
        Kind::Ratio => "a ratio",
        Kind::Distribution => "a size, which is a share of nothing",
    };
    let possible: Vec<&str> = Statistic::ALL
        .into_iter()
        .filter(|statistic| statistic.exists_for(metric))
        .map(Statistic::name)
        .collect();
    let possible = possible.join(", ");
    note(
        section,
        field,
        format!("{metric} is {why}: expected {possible}, found `{statistic}`"),
    );
}

fn check_response(
    section: &Section<'_>,
    field: Option<&Field<'_>>,
    metric: Metric,
    statistic: Statistic,
    response: Response,
) {
    let message = match (metric, response) {
        (Metric::PageCacheHitRatio, Response::Observe) => return,
        (Metric::PageCacheHitRatio, _) => {
            "more of it is better, so that no threshold asks for replicas: expected `Observe`"
        }
        (Metric::RunqLatency, Response::Queueing)
            if matches!(statistic, Statistic::Rate | Statistic::Share) =>
        {
            "Queueing compares a latency: expected statistic avg, p50, p90, p95 or p99"
        }
        (Metric::RunqLatency, _) => return,
        (_, Response::Queueing) => {
            "Queueing needs what the scheduler tells: it answers runqLatency only; expected Step, Proportional or Observe"
        }
        _ => return,
    };
    note(section, field, format!("{metric}: {message}"));
}

fn behavior(field: &Field<'_>) -> Option<Behavior> {
    let mut section = field.section()?;
    let defaults = Behavior::default();
    let mut side = |name, default: Rules| match section.optional(name) {
        Some(field) => rules(&field, default),
        None => Some(default),
    };
    let scale_up = side("scaleUp", defaults.scale_up);
    let scale_down = side("scaleDown", defaults.scale_down);
    section.finish();
    Some(Behavior {
        scale_up: scale_up?,
        scale_down: scale_down?,
    })
}

/// What is not written keeps its default, as in the HPA.
fn rules(field: &Field<'_>, default: Rules) -> Option<Rules> {
    let mut section = field.section()?;
    let window = match section.optional("stabilizationWindowSeconds") {
        Some(field) => field
            .integer(0..=LONGEST_STABILIZATION_SECONDS)
            .map(seconds),
        None => Some(default.stabilization_window),
    };
    let select = match section.optional("selectPolicy") {
        Some(field) => field.choice(&[
            ("Max", SelectPolicy::Max),
            ("Min", SelectPolicy::Min),
            ("Disabled", SelectPolicy::Disabled),
        ]),
        None => Some(default.select_policy),
    };
    let policies = match section.optional("policies") {
        Some(field) => rate_limits(&field),
        None => Some(default.policies),
    };
    let tolerance = match section.optional("tolerance") {
        Some(field) => field.fraction(),
        None => Some(default.tolerance),
    };
    section.finish();
    Some(Rules {
        stabilization_window: window?,
        select_policy: select?,
        policies: policies?,
        tolerance: tolerance?,
    })
}

fn rate_limits(field: &Field<'_>) -> Option<Vec<RateLimit>> {
    let items = field.list()?;
    if items.is_empty() {
        field.problem("expected at least one policy, found none; to forbid changes use `selectPolicy: Disabled`");
        return None;
    }
    let limits: Vec<_> = items.iter().filter_map(rate_limit).collect();
    (limits.len() == items.len()).then_some(limits)
}

fn rate_limit(field: &Field<'_>) -> Option<RateLimit> {
    let mut section = field.section()?;
    type Make = fn(u32) -> Amount;
    let choices: [(&str, Make); 2] = [("Pods", Amount::Pods), ("Percent", Amount::Percent)];
    let make = section
        .required("type", "Pods or Percent")
        .and_then(|field| field.choice(&choices));
    let value = section
        .required("value", "how many pods or percent")
        .and_then(|field| field.integer(1..=MOST_REPLICAS));
    let period = section
        .required("periodSeconds", "the period in seconds")
        .and_then(|field| field.integer(1..=LONGEST_PERIOD_SECONDS));
    section.finish();
    Some(RateLimit {
        amount: make?(value?),
        period: seconds(period?),
    })
}

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(u64::from(seconds))
}
