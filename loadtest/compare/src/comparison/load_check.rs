//! Whether both autoscalers saw the same load, as long as nothing they do can change it.
//!
//! Closed-loop users ask less when they wait longer, so requests can be held against each other only before the load
//! step, when nothing is saturated.

use super::{LoadCheck, Pair};
use crate::measure::Trial;

/// The share by which request counts may differ.
const LIMIT: f64 = 0.02;
/// So many requests may differ in any case: the window's end cuts one off here and not there. Decides only in
/// comparisons too short for the share to mean anything.
const EDGE_REQUESTS: f64 = 2.0;

/// Counts the page requests begun before the load step; in each pair, before the earlier of its two steps, because
/// the load generator looks at its plan once a second.
pub(super) fn load_check(pairs: &[Pair<Trial<'_>>]) -> LoadCheck {
    let mut requests = Pair::<u64>::default();
    let mut by_trial = Vec::with_capacity(pairs.len());
    for pair in pairs {
        let step = |trial: &Trial<'_>| trial.record.metadata.step_at_seconds;
        let window = step(&pair.hpa).min(step(&pair.viperscale));
        let counts = Pair::from_fn(|autoscaler| pair.of(autoscaler).begun_before(window));
        requests.hpa += counts.hpa;
        requests.viperscale += counts.viperscale;
        by_trial.push(differ_by(counts));
    }
    let by = differ_by(requests);
    let larger = requests.hpa.max(requests.viperscale).max(1) as f64;
    let limit = LIMIT.max(EDGE_REQUESTS / larger);
    LoadCheck {
        requests,
        by,
        by_trial,
        limit,
        // Without any request there was no load to be equal.
        equal: by <= limit && requests.hpa > 0 && requests.viperscale > 0,
    }
}

/// The difference as a share of the larger.
fn differ_by(counts: Pair<u64>) -> f64 {
    let larger = counts.hpa.max(counts.viperscale);
    match larger {
        0 => 0.0,
        _ => counts.hpa.abs_diff(counts.viperscale) as f64 / larger as f64,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_difference_is_a_share_of_the_larger_count() {
        let by = |hpa, viperscale| differ_by(Pair { hpa, viperscale });
        assert_eq!(
            (by(100, 98), by(98, 100), by(0, 0), by(0, 3)),
            (0.02, 0.02, 0.0, 1.0)
        );
    }

    proptest! {
        #[test]
        fn it_does_not_matter_who_saw_more(hpa in 0..10_000u64, viperscale in 0..10_000u64) {
            let there = differ_by(Pair { hpa, viperscale });
            prop_assert_eq!(there, differ_by(Pair { hpa: viperscale, viperscale: hpa }));
            prop_assert!((0.0..=1.0).contains(&there));
        }
    }
}
