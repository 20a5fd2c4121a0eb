//! CPU time between two moments, from totals that were sampled once a second.

/// A total that never falls, known at some moments and taken to grow evenly between them.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Total(Vec<(f64, f64)>);

impl Total {
    /// From samples in order of time. A sample below an earlier one is taken for the earlier one: a total that falls
    /// has lost something that was used.
    pub(crate) fn new(samples: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let mut largest = 0.0_f64;
        Self(
            samples
                .into_iter()
                .map(|(at, total)| {
                    largest = largest.max(total);
                    (at, largest)
                })
                .collect(),
        )
    }

    /// Growth over `[from, to)`.
    pub(crate) fn between(&self, from: f64, to: f64) -> f64 {
        self.at(to) - self.at(from)
    }

    /// The total at a moment: before the first sample on the way up from 0 at 0, after the last one as there.
    fn at(&self, moment: f64) -> f64 {
        let after = self.0.partition_point(|(at, _)| *at <= moment);
        let (left_at, left) = match after.checked_sub(1) {
            Some(index) => self.0[index],
            None => (0.0, 0.0),
        };
        match self.0.get(after) {
            Some(&(right_at, right)) if moment > left_at && right_at > left_at => {
                left + (right - left) * (moment - left_at) / (right_at - left_at)
            }
            _ => left,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_interpolated_and_never_fall() {
        let total = Total::new([(1.0, 2.0), (2.0, 4.0), (3.0, 3.0), (4.0, 6.0)]);
        assert_eq!(total.between(0.0, 0.5), 1.0);
        assert_eq!(total.between(1.5, 2.0), 1.0);
        assert_eq!(total.between(2.0, 3.0), 0.0);
        assert_eq!(total.between(0.0, 100.0), 6.0);
        assert_eq!(Total::default().between(0.0, 9.0), 0.0);
    }
}
