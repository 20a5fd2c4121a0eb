//! All metrics of a pass: one proposal each, the largest wins, and the rules for those that fail.

use crate::client::Samples;
use crate::replicas::{Calculator, Proposal};
use crate::spec::{Hpa, MetricSource, MetricSpec, TargetKind};
use crate::status::MetricStatus;

/// Answer to one metric's query; the error is the API's text.
pub type Answer = Result<Samples, String>;

/// What all metrics together ask for.
#[derive(Debug, Clone, PartialEq)]
pub struct Computation {
    /// The largest valid proposal, and the words for the metric it is from.
    pub winner: Option<(i32, String)>,
    /// Readings in the order of the spec.
    pub statuses: Vec<Option<MetricStatus>>,
    /// What each metric came to, in the order of the spec.
    pub results: Vec<MetricResult>,
    /// Metrics that failed, the first of them first.
    pub failures: Vec<MetricFailure>,
}

/// What one metric came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricResult {
    /// The metric's type.
    pub kind: String,
    /// Its proposal, or where the fault lies.
    pub proposal: Result<i32, FaultKind>,
}

/// Where a fault lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// In the autoscaler's spec.
    Spec,
    /// Anywhere else.
    Internal,
}

/// A metric that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricFailure {
    /// Reason of the condition and the event.
    pub reason: &'static str,
    /// What went wrong.
    pub message: String,
    /// The same in the context of the pass.
    pub error: String,
}

/// Spec and status replicas of the scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScaleReplicas {
    /// What was asked for.
    pub spec: i32,
    /// What there is.
    pub status: i32,
}

/// Computes every metric of `hpa`; `answers` are in the order of its metrics, and a missing one is a
/// failed query.
pub fn compute(
    hpa: &Hpa,
    replicas: ScaleReplicas,
    calculator: &Calculator<'_>,
    answers: &[Answer],
) -> Computation {
    let mut all = Computation {
        winner: None,
        statuses: Vec::with_capacity(hpa.metrics.len()),
        results: Vec::with_capacity(hpa.metrics.len()),
        failures: Vec::new(),
    };
    let unasked = Err("no answer to the query".to_owned());
    for (at, metric) in hpa.metrics.iter().enumerate() {
        let answer = answers.get(at).unwrap_or(&unasked);
        let result = compute_one(metric, &hpa.namespace, replicas, calculator, answer);
        let kind = metric.source.kind().to_owned();
        let proposal = match result {
            Ok((Proposal { replicas, reading }, words)) => {
                all.statuses.push(Some(MetricStatus {
                    source: metric.source.clone(),
                    current: reading,
                }));
                if all
                    .winner
                    .as_ref()
                    .is_none_or(|(best, _)| *best == 0 || replicas > *best)
                {
                    all.winner = Some((replicas, words));
                }
                Ok(replicas)
            }
            Err(message) => {
                all.statuses.push(None);
                all.failures.push(failure(&metric.source, message));
                let unknown = matches!(metric.source, MetricSource::Unknown(_));
                Err(if unknown {
                    FaultKind::Spec
                } else {
                    FaultKind::Internal
                })
            }
        };
        all.results.push(MetricResult { kind, proposal });
    }
    all
}

fn compute_one(
    metric: &MetricSpec,
    namespace: &str,
    replicas: ScaleReplicas,
    calculator: &Calculator<'_>,
    answer: &Answer,
) -> Result<(Proposal, String), String> {
    let target = &metric.target;
    match &metric.source {
        MetricSource::Resource { resource } => {
            resource_metric(target, resource, None, replicas.spec, calculator, answer)
        }
        MetricSource::ContainerResource {
            resource,
            container,
        } => resource_metric(
            target,
            resource,
            Some(container),
            replicas.spec,
            calculator,
            answer,
        ),
        MetricSource::Pods { metric } => {
            let Some(average) = target.average_value_milli else {
                return Err(
                    "invalid pods metric source: no average value target was set".to_owned(),
                );
            };
            let samples = pods(answer)
                .map_err(|error| format!("unable to get metric {}: {error}", metric.name))?;
            let proposal = calculator.average_value(replicas.spec, average, None, samples);
            named(proposal, format!("pods metric {}", metric.name))
        }
        MetricSource::Object { metric, object } => {
            let usage = || match answer {
                Ok(Samples::Object(value)) => Ok(*value),
                other => Err(format!(
                    "unable to get metric {}: {} on {namespace} {}/{}",
                    metric.name,
                    object.kind,
                    object.name,
                    unusable(other),
                )),
            };
            let words = format!("{} metric {}", object.kind, metric.name);
            match (target.kind, target.value_milli, target.average_value_milli) {
                (TargetKind::Value, Some(target), _) => {
                    named(calculator.value(replicas.spec, target, usage()?), words)
                }
                (TargetKind::AverageValue, _, Some(target)) => {
                    let usage = usage().map_err(|error| {
                        format!("failed to get {} object metric: {error}", metric.name)
                    })?;
                    Ok((
                        calculator.average_of_total(replicas.status, target, usage),
                        words,
                    ))
                }
                _ => Err(
                    "invalid object metric source: neither a value target nor an average value \
                          target was set"
                        .to_owned(),
                ),
            }
        }
        MetricSource::External { metric } => {
            let series = || match answer {
                Ok(Samples::External(series)) => Ok(series),
                other => Err(format!(
                    "unable to get external metric {namespace}/{}/{}: {}",
                    metric.name,
                    if metric.selector.is_some() {
                        "selector"
                    } else {
                        "nil"
                    },
                    unusable(other),
                )),
            };
            let words = format!("external metric {}", metric.name);
            if let Some(target) = target.average_value_milli {
                Ok((
                    calculator.external_average(replicas.status, target, series()?),
                    words,
                ))
            } else if let Some(target) = target.value_milli {
                named(
                    calculator.external_value(replicas.spec, target, series()?),
                    words,
                )
            } else {
                Err(
                    "invalid external metric source: neither a value target nor an average value \
                     target was set"
                        .to_owned(),
                )
            }
        }
        MetricSource::Unknown(kind) => Err(format!("unknown metric source type \"{kind}\"")),
    }
}

fn resource_metric(
    target: &crate::spec::Target,
    resource: &str,
    container: Option<&String>,
    current: i32,
    calculator: &Calculator<'_>,
    answer: &Answer,
) -> Result<(Proposal, String), String> {
    let samples = || {
        pods(answer)
            .map_err(|error| format!("unable to get metrics for resource {resource}: {error}"))
    };
    if let Some(target) = target.average_value_milli {
        let proposal = samples().and_then(|samples| {
            let proposal = calculator.average_value(current, target, Some(resource), samples);
            named(proposal, format!("{resource} resource"))
        });
        return proposal.map_err(|error| format!("failed to get {resource} usage: {error}"));
    }
    let Some(target) = target.average_utilization_percent else {
        return Err(
            "invalid resource metric source: neither an average utilization target nor an \
                    average value (usage) target was set"
                .to_owned(),
        );
    };
    let of = if container.is_some() {
        "container resource"
    } else {
        "resource"
    };
    let proposal = samples().and_then(|samples| {
        let container = container.map(String::as_str);
        let proposal =
            calculator.resource_utilization(current, target, resource, container, samples);
        named(
            proposal,
            format!("{resource} {of} utilization (percentage of request)"),
        )
    });
    proposal.map_err(|error| format!("failed to get {resource} utilization: {error}"))
}

fn named<E: ToString>(
    proposal: Result<Proposal, E>,
    words: String,
) -> Result<(Proposal, String), String> {
    proposal
        .map(|proposal| (proposal, words))
        .map_err(|error| error.to_string())
}

fn pods(answer: &Answer) -> Result<crate::client::PodSamples, String> {
    match answer {
        Ok(Samples::Pods(samples)) => Ok(samples.clone()),
        other => Err(unusable(other)),
    }
}

fn unusable(answer: &Answer) -> String {
    match answer {
        Ok(_) => "the answer is of another kind of metric".to_owned(),
        Err(error) => error.clone(),
    }
}

/// The condition's reason, and the error in the words of the pass.
fn failure(source: &MetricSource, message: String) -> MetricFailure {
    let (reason, error) = match source {
        MetricSource::Resource { resource } => (
            "FailedGetResourceMetric",
            format!("failed to get {resource} resource metric value: {message}"),
        ),
        MetricSource::ContainerResource { container, .. } => (
            "FailedGetContainerResourceMetric",
            format!("failed to get {container} container metric value: {message}"),
        ),
        MetricSource::Pods { .. } => (
            "FailedGetPodsMetric",
            format!("failed to get pods metric value: {message}"),
        ),
        MetricSource::Object { .. } => (
            "FailedGetObjectMetric",
            format!("failed to get object metric value: {message}"),
        ),
        MetricSource::External { metric } => (
            "FailedGetExternalMetric",
            format!(
                "failed to get {} external metric value: {message}",
                metric.name
            ),
        ),
        MetricSource::Unknown(_) => ("InvalidMetricSourceType", message.clone()),
    };
    MetricFailure {
        reason,
        message,
        error,
    }
}
