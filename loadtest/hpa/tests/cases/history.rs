//! Groups about behavior, limits and what is remembered.

use serde::Deserialize;
use serde_json::json;
use stock_hpa::behavior::{Direction, Rules};
use stock_hpa::history::{History, change_within, store_event};
use stock_hpa::limits::{Events, Step, scale_down_limit, scale_up_limit};
use stock_hpa::normalize::stabilized_reason;
use stock_hpa::{Moment, Settings};

use super::report::{Actual, unasserted, unless_null};
use super::schema::{
    BehaviorIn, EventIn, RecommendationIn, RulesIn, events, events_out, recommendations,
    recommendations_out, rules_out, secs,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Defaults {
    side: String,
    behavior: SidesIn,
}

/// Only the sides the case is about.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SidesIn {
    #[serde(default)]
    scale_up: Option<RulesIn>,
    #[serde(default)]
    scale_down: Option<RulesIn>,
}

pub(crate) fn behavior_defaults(case: Defaults) -> Actual {
    let written = BehaviorIn {
        scale_up: case.behavior.scale_up,
        scale_down: case.behavior.scale_down,
    };
    let filled = written.behavior().with_defaults();
    let mut sides = serde_json::Map::new();
    if case.side != "scale_down" {
        let rules = filled.scale_up.as_ref().expect("defaults fill both sides");
        sides.insert(
            "scale_up".to_owned(),
            rules_out(rules, written.scale_up.as_ref()),
        );
    }
    if case.side != "scale_up" {
        let rules = filled
            .scale_down
            .as_ref()
            .expect("defaults fill both sides");
        sides.insert(
            "scale_down".to_owned(),
            rules_out(rules, written.scale_down.as_ref()),
        );
    }
    let actual = json!({"behavior": sides});
    Actual {
        expected: actual.clone(),
        observed: actual,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    now_s: i64,
    direction: String,
    current_replicas: i32,
    rules: RulesIn,
    scale_up_events: Vec<EventIn>,
    scale_down_events: Vec<EventIn>,
}

pub(crate) fn scale_limits(case: Limits) -> Actual {
    let (up, down) = (
        events(&case.scale_up_events),
        events(&case.scale_down_events),
    );
    let events = Events {
        up: &up,
        down: &down,
    };
    let now = Moment::from_secs(case.now_s);
    let (direction, limit) = match case.direction.as_str() {
        "up" => (Direction::Up, scale_up_limit as fn(_, _, &Rules, _) -> i32),
        _ => (
            Direction::Down,
            scale_down_limit as fn(_, _, &Rules, _) -> i32,
        ),
    };
    let window = Settings::default().downscale_stabilization_window;
    let rules = case.rules.rules().with_defaults(direction).resolve(window);
    let actual = json!({"limit": limit(case.current_replicas, events, &rules, now)});
    Actual {
        expected: actual.clone(),
        observed: actual,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WithRules {
    now_s: i64,
    current_replicas: i32,
    desired_replicas: i32,
    min_replicas: i32,
    max_replicas: i32,
    behavior_as_written: Option<BehaviorIn>,
    behavior: BehaviorIn,
    scale_up_events: Vec<EventIn>,
    scale_down_events: Vec<EventIn>,
}

pub(crate) fn scaling_with_rules(case: WithRules) -> Actual {
    let behavior = case.behavior.behavior();
    if let Some(written) = &case.behavior_as_written {
        assert_eq!(written.behavior().with_defaults(), behavior, "defaults");
    }
    let window = Settings::default().downscale_stabilization_window;
    let (up, down) = (
        events(&case.scale_up_events),
        events(&case.scale_down_events),
    );
    let step = Step {
        current: case.current_replicas,
        desired: case.desired_replicas,
        min: case.min_replicas,
        max: case.max_replicas,
    };
    let (replicas, limit) = step.limit_with_rules(
        &behavior.rules(Direction::Up, window),
        &behavior.rules(Direction::Down, window),
        Events {
            up: &up,
            down: &down,
        },
        Moment::from_secs(case.now_s),
    );
    let observed = json!({"replicas": replicas, "reason": limit});
    let mut expected = observed.clone();
    expected["asserted_upstream"] = unasserted();
    Actual { expected, observed }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Convert {
    current_replicas: i32,
    desired_replicas: i32,
    min_replicas: i32,
    max_replicas: i32,
    scale_up_limit_factor: f64,
    scale_up_limit_minimum: f64,
}

pub(crate) fn convert_desired_replicas(case: Convert) -> Actual {
    let settings = Settings {
        scale_up_limit_factor: case.scale_up_limit_factor,
        scale_up_limit_minimum: case.scale_up_limit_minimum,
        ..Settings::default()
    };
    let step = Step {
        current: case.current_replicas,
        desired: case.desired_replicas,
        min: case.min_replicas,
        max: case.max_replicas,
    };
    let (replicas, limit) = step.limit(&settings);
    let actual = json!({"replicas": replicas, "reason": limit});
    Actual {
        expected: actual.clone(),
        observed: actual,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stabilize {
    now_s: i64,
    desired_replicas: i32,
    recommendations: Vec<RecommendationIn>,
    downscale_stabilization_window_s: i64,
}

pub(crate) fn stabilize(case: Stabilize) -> Actual {
    let mut history = remembering(&case.recommendations);
    let window = secs(case.downscale_stabilization_window_s);
    let now = Moment::from_secs(case.now_s);
    let replicas = history.stabilize(case.desired_replicas, window, now);
    let log = history.recommendations.expect("a log");
    Actual {
        expected: json!({"replicas": replicas, "recommendations_len": log.len()}),
        observed: json!({"replicas": replicas, "recommendations": recommendations_out(&log)}),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StabilizeWithBehavior {
    now_s: i64,
    current_replicas: i32,
    desired_replicas: i32,
    recommendations: Vec<RecommendationIn>,
    scale_up_stabilization_window_s: i64,
    scale_down_stabilization_window_s: i64,
}

pub(crate) fn stabilize_with_behavior(case: StabilizeWithBehavior) -> Actual {
    let mut history = remembering(&case.recommendations);
    let (current, desired) = (case.current_replicas, case.desired_replicas);
    let replicas = history.stabilize_with_behavior(
        current,
        desired,
        secs(case.scale_up_stabilization_window_s),
        secs(case.scale_down_stabilization_window_s),
        Moment::from_secs(case.now_s),
    );
    let log = history.recommendations.expect("a log");
    let replicas_of_log: Vec<i32> = log.iter().map(|entry| entry.replicas).collect();
    Actual {
        expected: json!({"replicas": replicas, "recommendations_after": unless_null(json!(replicas_of_log))}),
        observed: json!({
            "replicas": replicas,
            "reason": stabilized_reason(current, desired).0,
            "recommendations": recommendations_out(&log),
        }),
    }
}

fn remembering(log: &[RecommendationIn]) -> History {
    History {
        recommendations: Some(recommendations(log)),
        ..History::default()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Store {
    now_s: i64,
    rules: Option<RulesIn>,
    change_period_s: i64,
    events: Vec<EventIn>,
    new_replicas_up: i32,
    new_replicas_down: i32,
    previous_replicas: i32,
}

pub(crate) fn store_scale_events(case: Store) -> Actual {
    let now = Moment::from_secs(case.now_s);
    let run = |direction, replica_change| {
        let mut log = events(&case.events);
        let change = change_within(secs(case.change_period_s), &log, now);
        if let Some(rules) = &case.rules {
            let rules = rules.rules().with_defaults(direction).resolve(secs(0));
            store_event(&mut log, &rules, replica_change, now);
        }
        json!({"events_after": events_out(&log), "replicas_change_in_period": change})
    };
    let up = run(Direction::Up, case.new_replicas_up - case.previous_replicas);
    let down = run(
        Direction::Down,
        case.previous_replicas - case.new_replicas_down,
    );
    let observed = json!({"up": up, "down": down});
    // Rows change by the same number either way, so that one expectation holds for both.
    assert_eq!(up, down, "the two directions differ");
    Actual {
        expected: up,
        observed,
    }
}
