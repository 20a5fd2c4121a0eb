//! A policy as a document again, everything written out and nothing left to defaults.
//!
//! [`super::load`] reads from it a policy that is equal bit for bit, its origin apart: thresholds
//! and durations are written in their base units, as the shortest decimal number that reads back
//! as the same `f64`. Recordings depend on that.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::schema::{API_VERSION, KIND, TARGET_API_VERSION, TARGET_KIND};
use super::{MetricPolicy, Mode, Response, ScalingPolicy};
use crate::behavior::{Amount, RateLimit, Rules};
use crate::fallback::Fallback;
use crate::metric::Metric;
use crate::statistic::Statistic;
use crate::unit::{Quantity, Unit};

/// As the document that [`super::load`] reads, with `apiVersion`, `kind`, `metadata` and `spec`.
impl Serialize for ScalingPolicy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Document {
            api_version: API_VERSION,
            kind: KIND,
            metadata: Metadata {
                name: &self.name,
                namespace: &self.namespace,
            },
            spec: Spec {
                scale_target_ref: Target {
                    api_version: TARGET_API_VERSION,
                    kind: TARGET_KIND,
                    name: &self.deployment,
                },
                min_replicas: self.min_replicas,
                max_replicas: self.max_replicas,
                mode: self.mode,
                window: duration(self.window),
                warmup: duration(self.warmup),
                metrics: self.metrics.iter().map(MetricDocument::from).collect(),
                behavior: BehaviorDocument {
                    scale_up: RulesDocument::from(&self.behavior.scale_up),
                    scale_down: RulesDocument::from(&self.behavior.scale_down),
                },
                fallback: self.fallback.as_ref().map(FallbackDocument::from),
            },
        }
        .serialize(serializer)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    api_version: &'static str,
    kind: &'static str,
    metadata: Metadata<'a>,
    spec: Spec<'a>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    name: &'a str,
    namespace: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Spec<'a> {
    scale_target_ref: Target<'a>,
    min_replicas: u32,
    max_replicas: u32,
    mode: Mode,
    window: String,
    warmup: String,
    metrics: Vec<MetricDocument<'a>>,
    behavior: BehaviorDocument,
    #[serde(skip_serializing_if = "Option::is_none")]
    fallback: Option<FallbackDocument>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Target<'a> {
    api_version: &'static str,
    kind: &'static str,
    name: &'a str,
}

#[derive(Serialize)]
struct MetricDocument<'a> {
    name: Metric,
    #[serde(skip_serializing_if = "Option::is_none")]
    container: Option<&'a str>,
    statistic: Statistic,
    #[serde(skip_serializing_if = "Option::is_none")]
    threshold: Option<String>,
    sampling: f64,
    response: Response,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BehaviorDocument {
    scale_up: RulesDocument,
    scale_down: RulesDocument,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RulesDocument {
    stabilization_window_seconds: u64,
    select_policy: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    policies: Vec<RateLimitDocument>,
    tolerance: f64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RateLimitDocument {
    r#type: &'static str,
    value: u32,
    period_seconds: u64,
}

#[derive(Serialize)]
struct FallbackDocument {
    replicas: u32,
    after: String,
}

impl<'a> From<&'a MetricPolicy> for MetricDocument<'a> {
    fn from(policy: &'a MetricPolicy) -> Self {
        Self {
            name: policy.metric,
            container: policy.container.as_deref(),
            statistic: policy.statistic,
            threshold: policy.threshold.map(exactly),
            sampling: policy.sampling,
            response: policy.response,
        }
    }
}

impl From<&Rules> for RulesDocument {
    fn from(rules: &Rules) -> Self {
        Self {
            stabilization_window_seconds: rules.stabilization_window.as_secs(),
            select_policy: rules.select_policy.name(),
            policies: rules.policies.iter().map(RateLimitDocument::from).collect(),
            tolerance: rules.tolerance,
        }
    }
}

impl From<&RateLimit> for RateLimitDocument {
    fn from(limit: &RateLimit) -> Self {
        let (r#type, value) = match limit.amount {
            Amount::Pods(pods) => ("Pods", pods),
            Amount::Percent(percent) => ("Percent", percent),
        };
        Self {
            r#type,
            value,
            period_seconds: limit.period.as_secs(),
        }
    }
}

impl From<&Fallback> for FallbackDocument {
    fn from(fallback: &Fallback) -> Self {
        Self {
            replicas: fallback.replicas,
            after: duration(fallback.after),
        }
    }
}

fn duration(duration: Duration) -> String {
    format!("{}ns", duration.as_nanos())
}

/// In the base unit, whose suffix has the factor 1, so that no rounding happens on the way back.
fn exactly(quantity: Quantity) -> String {
    let suffix = match quantity.unit() {
        Unit::Time | Unit::TimePerSecond => "ns",
        Unit::Bytes | Unit::BytesPerSecond => "B",
        Unit::Events | Unit::EventsPerSecond | Unit::Share => "",
    };
    format!("{}{suffix}", quantity.value())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Origin, load};
    use super::*;

    fn reloaded(policy: &ScalingPolicy) -> ScalingPolicy {
        let text = serde_json::to_string(policy).unwrap();
        let loaded = load(&text, "again").unwrap_or_else(|errors| panic!("{text}: {errors:#?}"));
        ScalingPolicy {
            origin: policy.origin.clone(),
            ..loaded.into_iter().next().unwrap()
        }
    }

    fn policy(metrics: &str, rest: &str) -> ScalingPolicy {
        let text = format!(
            "apiVersion: viperscale.dev/v1alpha1\nkind: ScalingPolicy\nmetadata: {{name: a, namespace: b}}\n\
             spec: {{scaleTargetRef: {{kind: Deployment, name: c}}, maxReplicas: 9, metrics: [{metrics}]{rest}}}\n"
        );
        load(&text, "test").unwrap().remove(0)
    }

    #[test]
    #[allow(clippy::disallowed_methods)] // the crate does no I/O; its tests may
    fn every_shipped_policy_reads_back() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies");
        let mut seen = 0;
        for file in std::fs::read_dir(directory).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            for policy in load(&text, "shipped").unwrap() {
                assert_eq!(reloaded(&policy), policy);
                seen += 1;
            }
        }
        assert!(seen > 5, "{seen}");
    }

    #[test]
    fn every_field_reads_back() {
        let written = policy(
            "{name: runqLatency, container: x, statistic: p99, threshold: 1.7ms, sampling: 0.3}, \
             {name: pageCacheHitRatio}, {name: sentBytes, threshold: 1.5MiB/s}, \
             {name: onCpuTime, threshold: 33%}, {name: tcpDrops, threshold: 0.1}",
            ", mode: DryRun, window: 7s, warmup: 1ms, minReplicas: 2, behavior: {scaleUp: {selectPolicy: Min, \
             tolerance: 70m, policies: [{type: Percent, value: 7, periodSeconds: 9}]}, \
             scaleDown: {selectPolicy: Disabled, stabilizationWindowSeconds: 3600}}, \
             fallback: {replicas: 4, after: 90500ms}",
        );
        assert_eq!(reloaded(&written), written);
        assert_ne!(written.origin, Origin::default());
    }

    proptest! {
        #[test]
        fn every_number_reads_back(
            threshold in 1e-9f64..1e15, sampling in 1e-9f64..=1.0, tolerance in 0.0f64..5.0,
            window in 1_000_000_000u64..=60_000_000_000, index in 0usize..4,
        ) {
            let names = ["runqLatency", "sentBytes", "userPageFaults", "onCpuTime"];
            let mut written = policy(
                &format!("{{name: {}, threshold: 1{}}}", names[index], ["ms", "B", "", ""][index]),
                "",
            );
            let metric = &mut written.metrics[0];
            metric.threshold = Quantity::try_new(threshold, metric.statistic.unit_for(metric.metric));
            if metric.metric.can_be_sampled() {
                metric.sampling = sampling;
            }
            written.behavior.scale_up.tolerance = tolerance;
            written.window = Duration::from_nanos(window);
            prop_assert_eq!(reloaded(&written), written);
        }
    }
}
