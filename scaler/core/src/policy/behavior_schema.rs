//! The schema of `spec.behavior`, that of `autoscaling/v2`.

use std::time::Duration;

use super::fields::Field;
use super::limits::{
    LONGEST_PERIOD_SECONDS, LONGEST_STABILIZATION_SECONDS, MOST_RATE_LIMITS, MOST_REPLICAS,
};
use crate::behavior::{Amount, Behavior, RateLimit, Rules, SelectPolicy};

pub(super) fn behavior(field: &Field<'_>) -> Option<Behavior> {
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
        Some(field) => field.choice(&SelectPolicy::ALL.map(|select| (select.name(), select))),
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
    if items.len() > MOST_RATE_LIMITS {
        field.problem(format!(
            "expected at most {MOST_RATE_LIMITS} policies, found {}",
            items.len()
        ));
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
