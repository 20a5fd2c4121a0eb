//! Groups about one metric.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};
use stock_hpa::client::{
    PodSamples, RawPodMetrics, RawPodValue, Samples, external_values, pod_samples, resource_samples,
};
use stock_hpa::grouping;
use stock_hpa::ratio;
use stock_hpa::replicas::Calculator;
use stock_hpa::requests::calculate_requests;
use stock_hpa::{Moment, Pod, Quantity, Settings, Tolerance};

use super::report::{Actual, unasserted};
use super::schema::{
    AnswerIn, FeaturesIn, PodIn, RawPodIn, SampleIn, pods, samples, secs, secs_of,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Replicas {
    now_s: i64,
    metric_type: String,
    resource: Option<String>,
    container: Option<String>,
    #[serde(rename = "metric_name")]
    _metric_name: Option<String>,
    current_replicas: i32,
    target: TargetIn,
    tolerance: ToleranceIn,
    features: FeaturesIn,
    cpu_initialization_period_s: i64,
    delay_of_initial_readiness_status_s: i64,
    pods: Vec<PodIn>,
    metric_response: AnswerIn,
    raw_pod_metrics: Option<Vec<RawPodIn>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TargetIn {
    utilization_percent: Option<i32>,
    average_value_milli: Option<i64>,
    value_milli: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ToleranceIn {
    scale_up: f64,
    scale_down: f64,
}

pub(crate) fn replicas(case: Replicas) -> Actual {
    let settings = Settings {
        cpu_initialization_period: secs(case.cpu_initialization_period_s),
        initial_readiness_delay: secs(case.delay_of_initial_readiness_status_s),
        features: case.features.into(),
        ..Settings::default()
    };
    let all = pods(case.pods);
    let pods: Vec<&Pod> = all.iter().collect();
    let tolerance = Tolerance {
        scale_up: case.tolerance.scale_up,
        scale_down: case.tolerance.scale_down,
    };
    let now = Moment::from_secs(case.now_s);
    let calculator = Calculator {
        settings: &settings,
        tolerance,
        pods: &pods,
        now,
    };
    let (current, target) = (case.current_replicas, &case.target);
    let (resource, container) = (case.resource.as_deref(), case.container.as_deref());
    let answered = case.metric_response.error.is_none();

    let answer = match (case.raw_pod_metrics, resource) {
        (Some(raw), Some(resource)) if answered => {
            let raw: Vec<RawPodMetrics> = raw.into_iter().map(|pod| pod.raw(resource)).collect();
            let (shaped, _) = resource_samples(&raw, resource, container).expect("an answer");
            let given = samples(case.metric_response.pods.as_deref().expect("pods"));
            assert_eq!(shaped, given, "raw and summed answers differ");
            Ok(Samples::Pods(shaped))
        }
        _ => case.metric_response.samples(),
    };
    let proposal = answer.and_then(|answer| {
        let average = || target.average_value_milli.expect("an average target");
        let value = || target.value_milli.expect("a value target");
        match (case.metric_type.as_str(), answer) {
            ("resource" | "container_resource", Samples::Pods(samples)) => {
                let resource = resource.expect("a resource");
                match target.utilization_percent {
                    Some(percent) => calculator
                        .resource_utilization(current, percent, resource, container, samples),
                    None => calculator.average_value(current, average(), Some(resource), samples),
                }
            }
            ("pods", Samples::Pods(samples)) => {
                calculator.average_value(current, average(), None, samples)
            }
            ("object_value", Samples::Object(usage)) => calculator.value(current, value(), usage),
            ("object_average_value", Samples::Object(usage)) => {
                Ok(calculator.average_of_total(current, average(), usage))
            }
            ("external_value", Samples::External(series)) => {
                calculator.external_value(current, value(), &series)
            }
            ("external_average_value", Samples::External(series)) => {
                Ok(calculator.external_average(current, average(), &series))
            }
            (kind, _) => panic!("{kind} with an answer of another kind"),
        }
        .map_err(|error| error.to_string())
    });
    let actual = match proposal {
        Ok(proposal) => {
            let reading = proposal.reading;
            json!({
                "replicas": proposal.replicas,
                "error": null,
                "error_contains": null,
                "utilization_percent": reading.average_utilization_percent,
                "average_value_milli": reading.average_value_milli,
                "usage_milli": reading.value_milli.or(reading.average_value_milli),
            })
        }
        Err(error) => failed(
            &error,
            answered,
            &[
                "replicas",
                "utilization_percent",
                "average_value_milli",
                "usage_milli",
            ],
        ),
    };
    Actual {
        expected: actual.clone(),
        observed: actual,
    }
}

/// The numbers of an error case mean nothing. The words around an API's own error hold more than the
/// tables tell, so they are compared only where the error is the calculator's.
fn failed(error: &str, own: bool, numbers: &[&str]) -> Value {
    let mut fields = json!({
        "error": if own { json!(error) } else { unasserted() },
        "error_contains": error,
    });
    numbers
        .iter()
        .for_each(|number| fields[*number] = unasserted());
    fields
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GroupPods {
    now_s: i64,
    resource: String,
    pods: Vec<PodIn>,
    pod_metrics: Vec<SampleIn>,
    cpu_initialization_period_s: i64,
    delay_of_initial_readiness_status_s: i64,
}

pub(crate) fn group_pods(case: GroupPods) -> Actual {
    let settings = Settings {
        cpu_initialization_period: secs(case.cpu_initialization_period_s),
        initial_readiness_delay: secs(case.delay_of_initial_readiness_status_s),
        ..Settings::default()
    };
    let all = pods(case.pods);
    let pods: Vec<&Pod> = all.iter().collect();
    let samples = samples(&case.pod_metrics);
    let now = Moment::from_secs(case.now_s);
    let groups = grouping::group_pods(&pods, &samples, Some(&case.resource), &settings, now);
    let actual = json!({
        "ready_pod_count": groups.ready,
        "unready_pods": groups.unready,
        "missing_pods": groups.missing,
        "ignored_pods": groups.ignored,
    });
    Actual {
        expected: actual.clone(),
        observed: actual,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Requests {
    resource: String,
    container: Option<String>,
    features: FeaturesIn,
    pods: Vec<PodIn>,
}

pub(crate) fn requests(case: Requests) -> Actual {
    let all = pods(case.pods);
    let pods: Vec<&Pod> = all.iter().collect();
    let features: stock_hpa::Features = case.features.into();
    let gate = features.pod_level_resources;
    let actual = match calculate_requests(&pods, &case.resource, case.container.as_deref(), gate) {
        Ok(requests) => json!({"error": null, "requests_milli": requests}),
        Err(error) => json!({"error": error.to_string(), "requests_milli": null}),
    };
    Actual {
        expected: actual.clone(),
        observed: actual,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UsageRatio {
    kind: String,
    metrics: Vec<SampleIn>,
    requests: Option<Vec<SampleIn>>,
    target_utilization_percent: Option<i32>,
    target_usage_milli: Option<i64>,
}

pub(crate) fn usage_ratio(case: UsageRatio) -> Actual {
    let metrics: PodSamples = samples(&case.metrics);
    let actual = if case.kind == "metric_usage" {
        let (ratio, average) = ratio::average(&metrics, case.target_usage_milli.expect("a target"));
        json!({"error": null, "error_contains": null, "ratio": ratio, "current_usage_milli": average})
    } else {
        let requests: BTreeMap<String, i64> = case
            .requests
            .expect("requests")
            .into_iter()
            .map(|request| (request.name, request.value_milli))
            .collect();
        let target = case.target_utilization_percent.expect("a target");
        match ratio::utilization(&metrics, &requests, target) {
            Ok(used) => json!({
                "error": null,
                "error_contains": null,
                "ratio": used.ratio,
                "current_utilization_percent": used.percent,
                "raw_average_value_milli": used.average_milli,
            }),
            Err(error) => failed(
                &error.to_string(),
                true,
                &[
                    "ratio",
                    "current_utilization_percent",
                    "raw_average_value_milli",
                ],
            ),
        }
    };
    Actual {
        expected: actual.clone(),
        observed: actual,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Client {
    source: String,
    resource: Option<String>,
    container: Option<String>,
    #[serde(rename = "metric_name")]
    _metric_name: Option<String>,
    default_window_s: Option<i64>,
    raw_pod_metrics: Option<Vec<RawPodIn>>,
    values: Option<Vec<SampleIn>>,
}

pub(crate) fn metrics_client(case: Client) -> Actual {
    let values = case.values.unwrap_or_default();
    let shaped = |shaped: PodSamples, timestamp| {
        let sample = |(name, sample): (String, stock_hpa::client::PodSample)| {
            json!({
                "name": name,
                "value_milli": sample.value_milli,
                "timestamp_s": secs_of(sample.timestamp),
                "window_s": sample.window.as_secs(),
            })
        };
        (
            shaped.into_iter().map(sample).collect::<Vec<_>>(),
            timestamp,
        )
    };
    let answer = match case.source.as_str() {
        "resource" => {
            let resource = case.resource.as_deref().expect("a resource");
            let raw: Vec<RawPodMetrics> = case
                .raw_pod_metrics
                .expect("pods")
                .into_iter()
                .map(|pod| pod.raw(resource))
                .collect();
            resource_samples(&raw, resource, case.container.as_deref()).map(|(s, at)| shaped(s, at))
        }
        "pods" => {
            let value = |value: &SampleIn| RawPodValue {
                name: value.name.clone(),
                value_milli: value.value_milli,
                timestamp: Moment::from_secs(value.timestamp_s),
                window: case.default_window_s.map(secs),
            };
            let raw: Vec<RawPodValue> = values.iter().map(value).collect();
            pod_samples(&raw).map(|(samples, at)| shaped(samples, at))
        }
        "external" => {
            let raw: Vec<_> = values
                .iter()
                .map(|value| (value.value_milli, Moment::from_secs(value.timestamp_s)))
                .collect();
            external_values(&raw).map(|(series, at)| {
                let named = series.iter().zip(&values);
                let value = |(value, given): (&i64, &SampleIn)| {
                    json!({"name": given.name, "value_milli": value})
                };
                (named.map(value).collect(), at)
            })
        }
        "object" => {
            let value = values.first().expect("one value");
            let out = json!({"name": value.name, "value_milli": value.value_milli});
            Ok((vec![out], Moment::from_secs(value.timestamp_s)))
        }
        other => panic!("unknown source {other}"),
    };
    let actual = match answer {
        Ok((values, at)) => json!({
            "error": null, "error_contains": null, "timestamp_s": secs_of(at), "values": values,
        }),
        Err(error) => json!({
            "error": error.to_string(),
            "error_contains": error.to_string(),
            "timestamp_s": null,
            "values": null,
        }),
    };
    Actual {
        expected: actual.clone(),
        observed: actual,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BuildQuantity {
    resource: String,
    raw_milli: i64,
}

pub(crate) fn build_quantity(case: BuildQuantity) -> Actual {
    let quantity = Quantity::of_resource(&case.resource, case.raw_milli);
    let actual = json!({
        "text": quantity.to_string(), "format": quantity.format, "milli": quantity.milli,
    });
    Actual {
        expected: actual.clone(),
        observed: actual,
    }
}
