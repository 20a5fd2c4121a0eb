//! Replays the stock HPA's own test tables (see `data/README.md`) where our semantics are the same.

#![allow(clippy::unwrap_used, reason = "helpers of tests count as tests")]

use std::time::Duration;

use scaler_core::behavior::{
    Amount, Behavior, Changes, Entry, History, RateLimit, Rules, SelectPolicy, limit_rate,
    scale_down_limit, scale_up_limit, stabilize,
};
use scaler_core::policy;
use scaler_core::response::{Situation, proportional};
use scaler_core::{Limit, Timestamp};
use serde_json::Value;

/// The tables count from now; this leaves room for the past.
const NOW: Timestamp = Timestamp::from_secs(2_000_000_000);

/// Runs `check` on each case of a table, and makes sure that the table was not lost.
fn replay(table: &str, rows: usize, check: impl Fn(&Value, &Value)) {
    let cases: Vec<Value> = serde_json::from_str(table).unwrap();
    assert_eq!(cases.len(), rows);
    for case in &cases {
        println!("{}", case["name"]);
        check(&case["input"], &case["expected"]);
    }
}

fn number(value: &Value) -> u32 {
    u32::try_from(
        value
            .as_u64()
            .unwrap_or_else(|| panic!("{value} is no count")),
    )
    .unwrap()
}

fn seconds(value: &Value) -> Duration {
    Duration::from_secs(u64::from(number(value)))
}

fn moment(value: &Value) -> Timestamp {
    let ago = value.as_i64().unwrap().unsigned_abs();
    Timestamp::new(NOW.since_start() - Duration::from_secs(ago))
}

fn history(entries: &Value, replicas: &str) -> History {
    let entry = |entry: &Value| Entry {
        replicas: number(&entry[replicas]),
        at: moment(&entry["time_s"]),
    };
    entries.as_array().unwrap().iter().map(entry).collect()
}

fn rules(value: &Value) -> Rules {
    let policy = |policy: &Value| RateLimit {
        amount: match policy["type"].as_str().unwrap() {
            "Pods" => Amount::Pods(number(&policy["value"])),
            _ => Amount::Percent(number(&policy["value"])),
        },
        period: seconds(&policy["period_s"]),
    };
    Rules {
        stabilization_window: match &value["stabilization_window_s"] {
            Value::Null => Duration::from_secs(300),
            window => seconds(window),
        },
        select_policy: match value["select_policy"].as_str().unwrap() {
            "Max" => SelectPolicy::Max,
            "Min" => SelectPolicy::Min,
            _ => SelectPolicy::Disabled,
        },
        policies: value["policies"]
            .as_array()
            .unwrap()
            .iter()
            .map(policy)
            .collect(),
        tolerance: 0.1,
    }
}

#[test]
fn rate_limits() {
    replay(
        include_str!("data/scale_limits.json"),
        1,
        |input, expected| {
            let ups = history(&input["scale_up_events"], "replica_change");
            let downs = history(&input["scale_down_events"], "replica_change");
            let changes = Changes {
                ups: &ups,
                downs: &downs,
                now: NOW,
            };
            let limit = match input["direction"].as_str().unwrap() {
                "up" => scale_up_limit,
                _ => scale_down_limit,
            };
            let found = limit(
                &rules(&input["rules"]),
                changes,
                number(&input["current_replicas"]),
            );
            assert_eq!(found, number(&expected["limit"]));
        },
    );
}

#[test]
fn scaling_with_rules() {
    replay(
        include_str!("data/scaling_with_rules.json"),
        25,
        |input, expected| {
            let behavior = Behavior {
                scale_up: rules(&input["behavior"]["scale_up"]),
                scale_down: rules(&input["behavior"]["scale_down"]),
            };
            let ups = history(&input["scale_up_events"], "replica_change");
            let downs = history(&input["scale_down_events"], "replica_change");
            let allowed = limit_rate(
                &behavior,
                (&ups, &downs),
                number(&input["current_replicas"]),
                number(&input["desired_replicas"]),
                (
                    number(&input["min_replicas"]),
                    number(&input["max_replicas"]),
                ),
                NOW,
            );
            assert_eq!(allowed.replicas, number(&expected["replicas"]));
            let reason = match allowed.limit {
                None => "DesiredWithinRange",
                Some(Limit::ScaleUpLimit) => "ScaleUpLimit",
                Some(Limit::ScaleDownLimit) => "ScaleDownLimit",
                Some(Limit::TooFewReplicas) => "TooFewReplicas",
                Some(Limit::TooManyReplicas) => "TooManyReplicas",
                Some(other) => panic!("{other:?}"),
            };
            assert_eq!(reason, expected["reason"]);
        },
    );
}

#[test]
fn stabilization() {
    replay(
        include_str!("data/stabilize_with_behavior.json"),
        7,
        |input, expected| {
            let mut behavior = Behavior::default();
            let up = seconds(&input["scale_up_stabilization_window_s"]);
            let down = seconds(&input["scale_down_stabilization_window_s"]);
            behavior.scale_up.stabilization_window = up;
            behavior.scale_down.stabilization_window = down;
            let mut recommendations = history(&input["recommendations"], "replicas");
            let desired = number(&input["desired_replicas"]);
            let current = number(&input["current_replicas"]);
            let found = stabilize(&behavior, &recommendations, current, desired, NOW);
            assert_eq!(found.replicas, number(&expected["replicas"]));
            assert_eq!(found.limit.is_none(), found.replicas == desired);
            recommendations.renew(desired, up.max(down), NOW);
            if let Some(after) = expected["recommendations_after"].as_array() {
                let slots: Vec<u32> = recommendations
                    .slots()
                    .iter()
                    .map(|slot| slot.replicas)
                    .collect();
                assert_eq!(slots, after.iter().map(number).collect::<Vec<_>>());
            }
        },
    );
}

#[test]
fn scale_events() {
    replay(
        include_str!("data/store_scale_events.json"),
        5,
        |input, expected| {
            let mut events = history(&input["events"], "replica_change");
            let in_period: u32 = events.within(seconds(&input["change_period_s"]), NOW).sum();
            assert_eq!(in_period, number(&expected["replicas_change_in_period"]));
            // Without a behaviour the HPA stores nothing; here there is always one.
            if input["rules"].is_null() {
                return;
            }
            let previous = number(&input["previous_replicas"]);
            let change = number(&input["new_replicas_up"]) - previous;
            assert_eq!(change, previous - number(&input["new_replicas_down"]));
            events.store(change, rules(&input["rules"]).longest_period(), NOW);
            let slots: Vec<u32> = events.slots().iter().map(|slot| slot.replicas).collect();
            let after = expected["events_after"].as_array().unwrap().iter();
            assert_eq!(
                slots,
                after
                    .map(|event| number(&event["replica_change"]))
                    .collect::<Vec<_>>()
            );
        },
    );
}

/// The HPA's rules as a policy writes them.
fn as_written(behavior: &Value) -> Value {
    let side = |rules: &Value| {
        let policies = rules["policies"].as_array().map(|policies| {
            let policy = |policy: &Value| {
                serde_json::json!({
                    "type": policy["type"], "value": policy["value"], "periodSeconds": policy["period_s"],
                })
            };
            policies.iter().map(policy).collect::<Vec<_>>()
        });
        serde_json::json!({
            "stabilizationWindowSeconds": rules["stabilization_window_s"],
            "selectPolicy": rules["select_policy"],
            "policies": policies,
            "tolerance": rules["tolerance_quantity"],
        })
    };
    let mut written = serde_json::Map::new();
    for (theirs, ours) in [("scale_up", "scaleUp"), ("scale_down", "scaleDown")] {
        if behavior[theirs].is_object() {
            written.insert(ours.to_owned(), side(&behavior[theirs]));
        }
    }
    written.into()
}

#[test]
fn behavior_defaults_fill_in_only_what_is_left_out() {
    replay(
        include_str!("data/behavior_defaults.json"),
        9,
        |input, _| {
            let document = serde_json::json!({
                "apiVersion": "viperscale.dev/v1alpha1",
                "kind": "ScalingPolicy",
                "metadata": {"name": "a", "namespace": "b"},
                "spec": {
                    "scaleTargetRef": {"kind": "Deployment", "name": "a"},
                    "maxReplicas": 5,
                    "metrics": [{"name": "runqLatency", "threshold": "2ms"}],
                    "behavior": as_written(&input["behavior"]),
                },
            });
            let found = policy::load(&document.to_string(), "case")
                .unwrap()
                .remove(0)
                .behavior;
            let defaults = Behavior::default();
            for (side, found, default) in [
                ("scale_up", found.scale_up, defaults.scale_up),
                ("scale_down", found.scale_down, defaults.scale_down),
            ] {
                let written = &input["behavior"][side];
                let mut expected = default.clone();
                if let Some(window) = written["stabilization_window_s"].as_u64() {
                    expected.stabilization_window = Duration::from_secs(window);
                }
                if let Some(tolerance) = written["tolerance"].as_f64() {
                    expected.tolerance = tolerance;
                }
                if written["select_policy"] == "Min" {
                    expected.select_policy = SelectPolicy::Min;
                }
                if let Some(policies) = written["policies"].as_array() {
                    expected.policies = rules(&serde_json::json!({
                        "stabilization_window_s": 0, "select_policy": "Max", "policies": policies,
                    }))
                    .policies;
                }
                assert_eq!(found, expected, "{side}");
            }
        },
    );
}

#[test]
fn proportional_is_the_hpa_with_pods_metrics() {
    replay(
        include_str!("data/replica_calculator_pods.json"),
        9,
        |input, expected| {
            let values: Vec<f64> = input["metrics"]
                .as_array()
                .unwrap()
                .iter()
                .map(|metric| metric["value_milli"].as_f64().unwrap())
                .collect();
            let pods = input["pods"].as_array().unwrap();
            let deleted = |pod: &&Value| pod["being_deleted"] == true || pod["phase"] == "Failed";
            let ignored = pods.iter().filter(deleted).count();
            let unready = pods.iter().filter(|pod| pod["phase"] == "Pending").count();
            let used = values.len();
            let proposal = proportional::propose(&Situation {
                value: values.iter().sum::<f64>() / used as f64,
                threshold: input["target_average_milli"].as_f64().unwrap(),
                current: number(&input["current_replicas"]),
                used: used as u32,
                missing: (pods.len() - used - ignored - unready) as u32,
                unready: unready as u32,
                tolerance_up: input["tolerance"]["scale_up"].as_f64().unwrap(),
                tolerance_down: input["tolerance"]["scale_down"].as_f64().unwrap(),
            });
            assert_eq!(
                proposal.replicas,
                number(&expected["replicas"]),
                "{}",
                proposal.detail
            );
        },
    );
}

/// What the upstream rows do not exercise (a re-implementation that gets it wrong passes them all).
mod beyond_the_tables {
    use super::*;

    fn entry(replicas: u32, ago: u64) -> Entry {
        Entry {
            replicas,
            at: Timestamp::new(NOW.since_start() - Duration::from_secs(ago)),
        }
    }

    fn limited(amount: Amount, select_policy: SelectPolicy) -> Rules {
        let period = Duration::from_secs(60);
        let policies = vec![RateLimit { amount, period }];
        Rules {
            stabilization_window: Duration::ZERO,
            select_policy,
            policies,
            tolerance: 0.1,
        }
    }

    #[test]
    fn the_edge_of_a_window_or_period_is_outside() {
        let mut behavior = Behavior::default();
        behavior.scale_down.stabilization_window = Duration::from_secs(60);
        let at_edge = |ago| {
            let past = FromIterator::from_iter([entry(9, ago)]);
            stabilize(&behavior, &past, 9, 1, NOW).replicas
        };
        assert_eq!((at_edge(59), at_edge(60)), (9, 1));

        let none = History::default();
        let at_edge = |ago| {
            let ups = FromIterator::from_iter([entry(3, ago)]);
            let changes = Changes {
                ups: &ups,
                downs: &none,
                now: NOW,
            };
            scale_up_limit(&limited(Amount::Pods(4), SelectPolicy::Max), changes, 10)
        };
        assert_eq!((at_edge(59), at_edge(60)), (11, 14));
    }

    #[test]
    fn disabled_allows_no_change_and_percent_down_truncates() {
        let none = History::default();
        let changes = Changes {
            ups: &none,
            downs: &none,
            now: NOW,
        };
        let disabled = limited(Amount::Percent(100), SelectPolicy::Disabled);
        assert_eq!(scale_up_limit(&disabled, changes, 5), 5);
        assert_eq!(scale_down_limit(&disabled, changes, 5), 5);
        let half = limited(Amount::Percent(50), SelectPolicy::Max);
        assert_eq!(
            scale_down_limit(&half, changes, 5),
            2,
            "2.5 remain, truncated"
        );
        assert_eq!(
            scale_up_limit(&half, changes, 5),
            8,
            "7.5 allowed, rounded up"
        );
        assert_eq!(
            scale_up_limit(
                &limited(Amount::Percent(10), SelectPolicy::Max),
                changes,
                10
            ),
            11
        );
    }
}
