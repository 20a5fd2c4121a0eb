//! Which endpoint gets the next request (pure).
//!
//! Two are drawn at random and the one with fewer outstanding requests wins ("power of two choices",
//! Mitzenmacher 2001): nearly as even as asking all, without all requests falling on the endpoint
//! that was added last, and a slow pod receives less than its share by itself.

use rand::Rng;

/// The index of the endpoint to use among `count`, never `excluded` unless it is the only one;
/// `None` when there is none. `outstanding` tells how many requests an endpoint has under way.
pub(super) fn choose(
    count: usize,
    excluded: Option<usize>,
    outstanding: impl Fn(usize) -> usize,
    random: &mut impl Rng,
) -> Option<usize> {
    let excluded = excluded.filter(|excluded| *excluded < count && count > 1);
    let candidates = count - usize::from(excluded.is_some());
    // Draws count 0..candidates; those at and after the excluded index are moved up by one.
    let index = |draw: usize| match excluded {
        Some(excluded) if draw >= excluded => draw + 1,
        _ => draw,
    };
    match candidates {
        0 => None,
        1 => Some(index(0)),
        _ => {
            let first = random.random_range(0..candidates);
            // A second draw among the others, so that the two differ.
            let second = random.random_range(0..candidates - 1);
            let second = second + usize::from(second >= first);
            let (first, second) = (index(first), index(second));
            Some(if outstanding(second) < outstanding(first) {
                second
            } else {
                first
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    #[test]
    fn spreads_evenly_among_idle_endpoints() {
        let mut random = StdRng::seed_from_u64(1);
        let mut counts = [0usize; 4];
        for _ in 0..40_000 {
            counts[choose(4, None, |_| 0, &mut random).unwrap()] += 1;
        }
        assert!(
            counts.iter().all(|count| (9_500..10_500).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn the_busiest_endpoint_is_never_chosen_and_loads_stay_even() {
        let mut random = StdRng::seed_from_u64(1);
        let mut loads = vec![0usize; 10];
        loads[3] = 1_000;
        for _ in 0..1_000 {
            let chosen = choose(10, None, |index| loads[index], &mut random).unwrap();
            assert_ne!(chosen, 3);
            loads[chosen] += 1;
        }
        loads.remove(3);
        assert!(
            loads.iter().max().unwrap() - loads.iter().min().unwrap() <= 6,
            "{loads:?}"
        );
    }

    proptest! {
        #[test]
        fn chooses_a_valid_endpoint_and_avoids_the_excluded(
            count in 0usize..20,
            excluded in proptest::option::of(0usize..25),
            seed in any::<u64>(),
        ) {
            let mut random = StdRng::seed_from_u64(seed);
            match choose(count, excluded, |index| index % 3, &mut random) {
                None => prop_assert_eq!(count, 0),
                Some(chosen) => {
                    prop_assert!(chosen < count);
                    prop_assert!(count == 1 || Some(chosen) != excluded);
                }
            }
        }
    }
}
