//! The validation rules (CEL) of the schema, written from the core's tables.
//!
//! They catch, when a manifest is applied, what the core would refuse later. Not all of it: that two
//! entries ask for the same, or that a threshold is zero, is found by the core alone and said in the
//! condition `Ready`. The API server bounds the cost of rules, so lists and strings are bounded in
//! the schema, and no rule compares all metrics with all.

use std::ops::RangeInclusive;
use std::time::Duration;

use scaler_core::policy::{Response, limits};
use scaler_core::{Metric, Statistic, Unit};
use serde_json::{Value, json};

use super::schema::{DURATION, duration_text};

/// One of `x-kubernetes-validations`; `field` is relative, with a leading dot.
fn rule(rule: String, field: &str, message: impl Into<String>) -> Value {
    json!({"rule": rule, "message": message.into(), "fieldPath": field})
}

/// The duration in `field` lies in `range`. What is no duration is refused by its pattern, in words of
/// its own.
fn within(field: &str, range: RangeInclusive<Duration>) -> Value {
    let (from, to) = (duration_text(*range.start()), duration_text(*range.end()));
    // `duration` reads 0s, and the core shows zero as 0ns.
    let from = if range.start().is_zero() {
        "0s".to_owned()
    } else {
        from
    };
    rule(
        format!(
            "!self.{field}.matches('{DURATION}') || (duration(self.{field}) >= duration('{from}') \
             && duration(self.{field}) <= duration('{to}'))"
        ),
        &format!(".{field}"),
        format!("expected a duration from {from} to {to}"),
    )
}

/// Rules where `self` is `spec`.
pub(super) fn of_spec() -> Vec<Value> {
    vec![
        rule(
            "self.minReplicas <= self.maxReplicas".to_owned(),
            ".maxReplicas",
            "expected at least minReplicas",
        ),
        rule(
            format!("self.metrics.exists(m, !{})", observes("m")),
            ".metrics",
            "expected at least one metric with a threshold: Observe proposes nothing",
        ),
        within("window", limits::WINDOW),
        within("warmup", limits::WARMUP),
        rule(
            "!has(self.fallback) || (self.fallback.replicas >= self.minReplicas && \
             self.fallback.replicas <= self.maxReplicas)"
                .to_owned(),
            ".fallback.replicas",
            "expected from minReplicas to maxReplicas",
        ),
    ]
}

/// Rules where `self` is `spec.fallback`.
pub(super) fn of_fallback() -> Vec<Value> {
    vec![within("after", limits::FALLBACK_AFTER)]
}

/// Rules where `self` is one of `spec.metrics`.
pub(super) fn of_metric() -> Vec<Value> {
    let mut rules = vec![
        rule(
            format!(
                "!has(self.response) || self.response != '{}' || self.name == '{}'",
                Response::Queueing.name(),
                Metric::RunqLatency
            ),
            ".response",
            "Queueing answers runqLatency only: expected Step, Proportional or Observe",
        ),
        rule(
            format!(
                "!has(self.response) || self.response == '{}' || self.name != '{}'",
                Response::Observe.name(),
                Metric::PageCacheHitRatio
            ),
            ".response",
            "more of it is better, so that no threshold asks for replicas: expected Observe",
        ),
        rule(
            format!(
                "self.name != '{}' || (has(self.response) && self.response != '{}') || !({} in ['{}', '{}'])",
                Metric::RunqLatency,
                Response::Queueing.name(),
                statistic_of("self"),
                Statistic::Rate,
                Statistic::Share
            ),
            ".statistic",
            "Queueing compares a latency: expected avg, p50, p90, p95 or p99",
        ),
        rule(
            format!("has(self.threshold) || {}", observes("self")),
            ".threshold",
            "expected a threshold, or response Observe",
        ),
        rule(
            format!("!has(self.threshold) || !{}", observes("self")),
            ".threshold",
            "Observe compares with nothing: expected no threshold, or another response",
        ),
        rule(
            format!(
                "double(self.sampling) == 1.0 || !(self.name in {})",
                names(|metric| !metric.can_be_sampled())
            ),
            ".sampling",
            "the metric cannot be sampled: expected 1",
        ),
    ];
    rules.extend(statistics_exist());
    rules.extend(Unit::ALL.into_iter().filter_map(threshold_has_unit));
    rules
}

/// Statistics are asked of metrics that have them: one rule for all metrics that have the same.
///
/// A word that is no statistic, or a name that is no metric's, has one error, not two.
fn statistics_exist() -> Vec<Value> {
    let of = |metric: Metric| Statistic::ALL.map(|statistic| statistic.exists_for(metric));
    let mut kinds = Metric::ALL.map(of).to_vec();
    kinds.sort_unstable();
    kinds.dedup();
    let kinds = kinds.into_iter().filter(|exists| exists.contains(&false));
    kinds
        .map(|exists| {
            let words = |wanted: bool| {
                let pairs = Statistic::ALL.into_iter().zip(exists);
                pairs
                    .filter(move |(_, exists)| *exists == wanted)
                    .map(|(statistic, _)| statistic.name())
            };
            let expected: Vec<&str> = words(true).collect();
            rule(
                format!(
                    "!has(self.statistic) || !(self.name in {} && self.statistic in {})",
                    names(|metric| of(metric) == exists),
                    list(words(false))
                ),
                ".statistic",
                format!(
                    "the metric has no such statistic: expected {}",
                    expected.join(", ")
                ),
            )
        })
        .collect()
}

/// Thresholds of `unit` are written in it; `None` when no statistic of a metric has that unit.
fn threshold_has_unit(unit: Unit) -> Option<Value> {
    let has = |metric: Metric, statistic: Statistic| {
        statistic.exists_for(metric) && statistic.unit_for(metric) == unit
    };
    let metrics = |metric: Metric| Statistic::ALL.into_iter().any(|s| has(metric, s));
    let statistics: Vec<Statistic> = Statistic::ALL
        .into_iter()
        .filter(|statistic| {
            Metric::ALL
                .into_iter()
                .any(|metric| has(metric, *statistic))
        })
        .collect();
    if statistics.is_empty() {
        return None;
    }
    Some(rule(
        format!(
            "!has(self.threshold) || !(self.name in {} && {} in {}) || self.threshold.matches('{}')",
            names(metrics),
            statistic_of("self"),
            list(statistics.iter().map(|statistic| statistic.name())),
            unit.pattern()
        ),
        ".threshold",
        format!("expected {}", unit.expectation()),
    ))
}

/// Whether the metric `of` proposes nothing, its default response included.
fn observes(of: &str) -> String {
    format!(
        "(has({of}.response) ? {of}.response == '{}' : {of}.name in {})",
        Response::Observe.name(),
        names(|metric| metric.default_response() == Response::Observe)
    )
}

/// The statistic of the metric `of`, its default included.
fn statistic_of(of: &str) -> String {
    let with_default = |statistic| names(|metric| metric.default_statistic() == statistic);
    format!(
        "(has({of}.statistic) ? {of}.statistic : {of}.name in {} ? '{}' : {of}.name in {} ? '{}' : '{}')",
        with_default(Statistic::P95),
        Statistic::P95,
        with_default(Statistic::Share),
        Statistic::Share,
        Statistic::Rate
    )
}

/// The names of the metrics that are `wanted`, as a list of CEL.
fn names(wanted: impl Fn(Metric) -> bool) -> String {
    list(
        Metric::ALL
            .into_iter()
            .filter(|metric| wanted(*metric))
            .map(Metric::name),
    )
}

fn list<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = words.map(|word| format!("'{word}'")).collect();
    format!("[{}]", quoted.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    // `statistic_of` writes three defaults; a fourth would go unnoticed.
    #[test]
    fn every_default_statistic_is_one_of_three() {
        for metric in Metric::ALL {
            assert!(
                matches!(
                    metric.default_statistic(),
                    Statistic::P95 | Statistic::Share | Statistic::Rate
                ),
                "{metric}"
            );
        }
    }

    #[test]
    fn every_metric_is_told_which_statistics_it_has() {
        let messages: Vec<String> = statistics_exist()
            .iter()
            .map(|rule| rule["message"].as_str().unwrap_or_default().to_owned())
            .collect();
        let expected = [
            "share",
            "rate",
            "rate, share",
            "avg, p50, p90, p95, p99, rate",
        ]
        .map(|words| format!("the metric has no such statistic: expected {words}"));
        assert_eq!(messages, expected);
    }

    // A rule about (metrics x statistics) must not reach pairs of another unit.
    #[test]
    fn units_are_products_of_metrics_and_statistics() {
        for unit in Unit::ALL {
            let of_unit = |metric: Metric, statistic: Statistic| {
                statistic.exists_for(metric) && statistic.unit_for(metric) == unit
            };
            let metrics = Metric::ALL
                .into_iter()
                .filter(|m| Statistic::ALL.into_iter().any(|s| of_unit(*m, s)));
            for metric in metrics {
                let statistics = Statistic::ALL
                    .into_iter()
                    .filter(|s| Metric::ALL.into_iter().any(|m| of_unit(m, *s)));
                for statistic in statistics.filter(|s| s.exists_for(metric)) {
                    assert!(of_unit(metric, statistic), "{unit:?}: {metric} {statistic}");
                }
            }
        }
    }
}
