//! Who comes after whom. Pure.

/// The turns of a round. Over a whole cycle of rounds (as many as there are `states`, twice as many of
/// an odd number) each state comes in each place, and after each other state, equally often: what a
/// state leaves behind for its successor is spread over all.
///
/// E. J. Williams, "Experimental Designs Balanced for the Estimation of Residual Effects of Treatments",
/// Australian Journal of Scientific Research A 2 (1949).
pub(super) fn order<T: Copy>(states: &[T], round: u32) -> Vec<T> {
    let count = states.len();
    let round = round as usize;
    // 0, 1, n - 1, 2, n - 2 ...: neighbours differ by each distance once.
    let mut places: Vec<usize> = (0..count)
        .map(|at| match at % 2 {
            0 => (count - at / 2) % count,
            _ => at.div_ceil(2),
        })
        .collect();
    if count % 2 == 1 && (round / count) % 2 == 1 {
        places.reverse();
    }
    places
        .into_iter()
        .map(|place| states[(place + round) % count])
        .collect()
}

/// The turns of a round in `parts` parts each: there and back, again and again, so that what drifts within
/// the round is the same for all.
pub(super) fn there_and_back<T: Copy>(turns: &[T], parts: u32) -> Vec<T> {
    let pass = |number: u32| -> Vec<T> {
        match number % 2 {
            0 => turns.to_vec(),
            _ => turns.iter().rev().copied().collect(),
        }
    };
    (0..parts).flat_map(pass).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn each_state_comes_in_each_place_and_after_each_other_equally_often() {
        for count in 2..=6_u32 {
            let states: Vec<u32> = (0..count).collect();
            let rounds = count * (1 + count % 2);
            let mut follows: BTreeMap<(u32, u32), u32> = BTreeMap::new();
            let mut places: BTreeMap<(usize, u32), u32> = BTreeMap::new();
            for round in 0..rounds {
                let order = order(&states, round);
                for pair in order.windows(2) {
                    *follows.entry((pair[0], pair[1])).or_default() += 1;
                }
                for (place, state) in order.into_iter().enumerate() {
                    *places.entry((place, state)).or_default() += 1;
                }
            }
            let times = 1 + count % 2;
            assert_eq!(follows.len() as u32, count * (count - 1), "{count} states");
            assert!(follows.values().all(|found| *found == times), "{follows:?}");
            assert_eq!(places.len() as u32, count * count, "{count} states");
            assert!(places.values().all(|found| *found == times), "{places:?}");
        }
    }

    #[test]
    fn one_state_is_its_own_order() {
        assert_eq!(order(&[7], 5), [7]);
    }

    #[test]
    fn parts_of_turns_have_the_same_middle() {
        let parts = there_and_back(&['a', 'b', 'c'], 4);
        assert_eq!(parts.iter().collect::<String>(), "abccbaabccba");
        for turn in ['a', 'b', 'c'] {
            let places = parts.iter().enumerate().filter(|(_, part)| **part == turn);
            assert_eq!(places.map(|(place, _)| place).sum::<usize>(), 22, "{turn}");
        }
        assert_eq!(there_and_back(&['a', 'b'], 1), ['a', 'b']);
    }
}
