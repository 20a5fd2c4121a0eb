//! The HPA's rule: replicas in proportion to value over threshold.
//!
//! Source: the behaviour of `autoscaling/v2` with a Pods metric and an average value target, as the
//! Kubernetes documentation describes it ("Algorithm details") and its unit-test tables pin it
//! down; `tests/hpa.rs` replays those.

use super::{Proposal, Situation};

/// Replicas that bring `value` to `threshold`, if it is inversely proportional to them.
///
/// With pods missing, they are taken to be at the threshold when that makes fewer pods go, and idle
/// when that makes fewer pods come; unready pods are taken to be idle on the way up. Inside the
/// tolerance, and where these assumptions turn the direction round, nothing changes.
#[must_use]
pub fn propose(situation: &Situation) -> Proposal {
    let Situation {
        value,
        threshold,
        current,
        used,
        missing,
        unready,
        ..
    } = *situation;
    let ratio = value / threshold;
    let used = f64::from(used);
    if missing == 0 && !(unready > 0 && ratio > 1.0) {
        if within_tolerance(situation, ratio) {
            return Proposal::new(current, format!("ratio {ratio:.2} is within tolerance"));
        }
        return towards(situation, ratio, ratio * used, String::new());
    }

    let (mut total, mut pods) = (ratio * used, used);
    if ratio < 1.0 {
        total += f64::from(missing);
        pods += f64::from(missing);
    } else if ratio > 1.0 {
        pods += f64::from(missing) + f64::from(unready);
    }
    let cautious = total / pods;
    let turned = (ratio < 1.0 && cautious > 1.0) || (ratio > 1.0 && cautious < 1.0);
    if turned || within_tolerance(situation, cautious) {
        let detail = format!(
            "ratio {ratio:.2}, with {missing} missing and {unready} unready pods {cautious:.2}: no change"
        );
        return Proposal::new(current, detail);
    }
    let note = format!(", with {missing} missing and {unready} unready pods");
    towards(situation, ratio, cautious * pods, note)
}

/// Rounds up, and drops a result that goes against the direction of `ratio`.
fn towards(situation: &Situation, ratio: f64, replicas: f64, note: String) -> Proposal {
    // `as` saturates, which is what absurd samples deserve.
    let wanted = replicas.ceil() as u32;
    let replicas = match ratio < 1.0 {
        true => wanted.min(situation.current),
        false => wanted.max(situation.current),
    };
    Proposal::new(replicas, format!("ratio {ratio:.2}{note}"))
}

/// Bounds included, as in the HPA.
fn within_tolerance(situation: &Situation, ratio: f64) -> bool {
    1.0 - situation.tolerance_down <= ratio && ratio <= 1.0 + situation.tolerance_up
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: Situation = Situation {
        value: 20.0,
        threshold: 10.0,
        current: 4,
        used: 4,
        missing: 0,
        unready: 0,
        tolerance_up: 0.1,
        tolerance_down: 0.1,
    };

    fn replicas(situation: Situation) -> u32 {
        propose(&situation).replicas
    }

    #[test]
    fn follows_the_ratio_outside_the_tolerance() {
        assert_eq!(replicas(BASE), 8);
        assert_eq!(replicas(Situation { value: 5.0, ..BASE }), 2);
        assert_eq!(
            replicas(Situation {
                value: 11.0,
                ..BASE
            }),
            4,
            "upper bound included"
        );
        assert_eq!(
            replicas(Situation { value: 9.0, ..BASE }),
            4,
            "lower bound included"
        );
        assert_eq!(
            replicas(Situation {
                value: 11.1,
                ..BASE
            }),
            5
        );
        assert_eq!(
            replicas(Situation {
                value: 8.0,
                current: 10,
                used: 10,
                ..BASE
            }),
            8
        );
    }

    #[test]
    fn unready_pods_are_idle_on_the_way_up_and_ignored_on_the_way_down() {
        assert_eq!(
            replicas(Situation {
                used: 2,
                unready: 2,
                ..BASE
            }),
            4
        );
        assert_eq!(
            replicas(Situation {
                value: 40.0,
                used: 2,
                unready: 2,
                ..BASE
            }),
            8
        );
        assert_eq!(
            replicas(Situation {
                value: 5.0,
                used: 2,
                unready: 2,
                ..BASE
            }),
            1
        );
        assert_eq!(
            replicas(Situation {
                value: 21.0,
                used: 2,
                unready: 2,
                ..BASE
            }),
            4,
            "1.05 with the others idle: within tolerance"
        );
    }

    #[test]
    fn missing_pods_slow_both_directions() {
        assert_eq!(
            replicas(Situation {
                value: 5.0,
                used: 2,
                missing: 2,
                ..BASE
            }),
            3
        );
        assert_eq!(
            replicas(Situation {
                value: 30.0,
                used: 2,
                missing: 2,
                ..BASE
            }),
            6
        );
        assert_eq!(
            replicas(Situation {
                used: 1,
                missing: 3,
                ..BASE
            }),
            4,
            "turned round"
        );
    }
}
