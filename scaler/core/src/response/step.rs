//! The thesis' thresholds: one more pod above, one fewer well below.

use super::{Proposal, Situation};

/// One more while the value is above the threshold, one fewer when the remaining pods would still
/// be below it by the scale-down tolerance; else what there is.
///
/// The gap between the two is the hysteresis: were one pod removed, the others would carry its
/// part, so the value is predicted to grow by pods / (pods - 1). While pods start up the last step
/// has not shown its effect, and there is no next one.
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
    let keep = |detail: &str| Proposal::new(current, detail);
    if value > threshold {
        return match unready {
            0 => Proposal::new(current.saturating_add(1), "above the threshold: one more"),
            _ => keep("above the threshold, the last step is still starting up"),
        };
    }
    if used <= 1 || missing > 0 || unready > 0 {
        return keep("not above the threshold");
    }
    let pods = f64::from(used);
    let with_one_fewer = value * pods / (pods - 1.0);
    if with_one_fewer < threshold * (1.0 - situation.tolerance_down) {
        return Proposal::new(
            current.saturating_sub(1),
            "below the threshold even with one fewer",
        );
    }
    keep("below the threshold, but not with one fewer")
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: Situation = Situation {
        value: 100.0,
        threshold: 100.0,
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
    fn one_step_at_a_time_with_a_gap_between_up_and_down() {
        assert_eq!(replicas(BASE), 4);
        assert_eq!(
            replicas(Situation {
                value: 100.1,
                ..BASE
            }),
            5
        );
        assert_eq!(
            replicas(Situation {
                value: 1e12,
                ..BASE
            }),
            5
        );
        assert_eq!(
            replicas(Situation {
                value: 68.0,
                ..BASE
            }),
            4,
            "91 with three pods"
        );
        assert_eq!(
            replicas(Situation {
                value: 67.0,
                ..BASE
            }),
            3,
            "89 with three pods"
        );
    }

    #[test]
    fn waits_for_starting_pods_and_never_shrinks_on_partial_data() {
        assert_eq!(
            replicas(Situation {
                value: 500.0,
                used: 3,
                unready: 1,
                ..BASE
            }),
            4
        );
        assert_eq!(
            replicas(Situation {
                value: 1.0,
                used: 3,
                unready: 1,
                ..BASE
            }),
            4
        );
        assert_eq!(
            replicas(Situation {
                value: 1.0,
                used: 3,
                missing: 1,
                ..BASE
            }),
            4
        );
        assert_eq!(
            replicas(Situation {
                value: 0.0,
                current: 1,
                used: 1,
                ..BASE
            }),
            1
        );
    }
}
