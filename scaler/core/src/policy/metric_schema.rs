//! The schema of `spec.metrics`.

use std::collections::{BTreeMap, BTreeSet};

use super::fields::{Field, Section};
use super::limits::{DEFAULT_SAMPLING, LONGEST_LABEL, MOST_METRICS};
use super::{MetricPolicy, Response};
use crate::metric::{self, Kind, Metric};
use crate::statistic::Statistic;

pub(super) fn metrics(field: &Field<'_>) -> Option<Vec<MetricPolicy>> {
    let items = field.list()?;
    if items.is_empty() {
        field.problem("expected at least one metric, found none");
        return None;
    }
    if items.len() > MOST_METRICS {
        field.problem(format!(
            "expected at most {MOST_METRICS} metrics, found {}",
            items.len()
        ));
        return None;
    }
    let mut sampling = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut metrics = Vec::new();
    for item in &items {
        let Some(policy) = metric(item) else { continue };
        let key = (policy.metric, policy.container.clone(), policy.statistic);
        if !seen.insert(key) {
            item.problem(format!(
                "{} {} is listed twice for the same container",
                policy.metric, policy.statistic
            ));
        }
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
        Some(field) => field.name(LONGEST_LABEL).map(Some),
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
        Some(field) => field.choice(&Response::ALL.map(|response| (response.name(), response))),
        None => metric.map(Metric::default_response),
    };
    let threshold_field = section.optional("threshold");
    let sampling_field = section.optional("sampling");
    let sampling = sampling_field
        .as_ref()
        .map_or(Some(DEFAULT_SAMPLING), Field::probability);
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
