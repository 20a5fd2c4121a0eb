//! From what the metrics ask for to what is written: stabilisation, then limits.

use crate::behavior::{Behavior, Direction};
use crate::history::History;
use crate::limits::{Events, Limit, Step};
use crate::settings::Settings;
use crate::status::{ConditionKind, Status};
use crate::time::Moment;

const HELD_BACK_DOWN: &str = "recent recommendations were higher than current one, applying the highest recent recommendation";
const HELD_BACK_UP: &str =
    "recent recommendations were lower than current one, applying the lowest recent recommendation";

/// Normalises a step's desired replicas; sets `AbleToScale` and `ScalingLimited`, logs the
/// recommendation.
pub fn normalize(
    step: Step,
    behavior: Option<&Behavior>,
    settings: &Settings,
    history: &mut History,
    status: &mut Status,
    now: Moment,
) -> i32 {
    let window = settings.downscale_stabilization_window;
    let (stabilized, held_back, (desired, limit)) = match behavior {
        None => {
            let stabilized = history.stabilize(step.desired, window, now);
            let limited = Step {
                desired: stabilized,
                ..step
            }
            .limit(settings);
            (stabilized, ("ScaleDownStabilized", HELD_BACK_DOWN), limited)
        }
        Some(behavior) => {
            let up = behavior.rules(Direction::Up, window);
            let down = behavior.rules(Direction::Down, window);
            let stabilized = history.stabilize_with_behavior(
                step.current,
                step.desired,
                up.stabilization_window,
                down.stabilization_window,
                now,
            );
            let events = Events {
                up: &history.scale_up_events,
                down: &history.scale_down_events,
            };
            let limited = Step {
                desired: stabilized,
                ..step
            }
            .limit_with_rules(&up, &down, events, now);
            (
                stabilized,
                stabilized_reason(step.current, step.desired),
                limited,
            )
        }
    };
    let (reason, message) = if stabilized == step.desired {
        ("ReadyForNewScale", "recommended size matches current size")
    } else {
        held_back
    };
    status.set_condition(ConditionKind::AbleToScale, true, reason, message, now);
    set_limited(status, desired != stabilized, limit, now);
    desired
}

/// Reason and message of a step that stabilisation changed.
pub fn stabilized_reason(current: i32, desired: i32) -> (&'static str, &'static str) {
    if desired >= current {
        ("ScaleUpStabilized", HELD_BACK_UP)
    } else {
        ("ScaleDownStabilized", HELD_BACK_DOWN)
    }
}

fn set_limited(status: &mut Status, limited: bool, limit: Limit, now: Moment) {
    let kind = ConditionKind::ScalingLimited;
    status.set_condition(kind, limited, limit.reason(), limit.message(), now);
}
