//! A quantity that jumps and stays: replicas, users, the optimum.

/// Values over `[0, end)`, each from its moment to the next.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Curve<T> {
    /// In order of time; the first at 0, the others within the range.
    points: Vec<(f64, T)>,
    end: f64,
}

impl<T: Copy + PartialEq> Curve<T> {
    /// From samples in order of time. What was sampled before 0 is what holds at 0; where nothing was, the first
    /// sample does. None without samples.
    pub(crate) fn new(samples: impl IntoIterator<Item = (f64, T)>, end: f64) -> Option<Self> {
        let mut points: Vec<(f64, T)> = Vec::new();
        for (at, value) in samples {
            match points.last_mut() {
                None => points.push((0.0, value)),
                Some(last) if at <= last.0 => last.1 = value,
                Some(_) if at >= end => break,
                Some(last) if last.1 == value => {}
                Some(_) => points.push((at, value)),
            }
        }
        // A second sample at the moment of the first may have made neighbours equal.
        points.dedup_by(|next, last| next.1 == last.1);
        (!points.is_empty() && end > 0.0).then_some(Self { points, end })
    }

    /// One value per second from 0.
    pub(crate) fn per_second(values: impl IntoIterator<Item = T>, end: f64) -> Option<Self> {
        Self::new((0u32..).map(f64::from).zip(values), end)
    }

    /// The moments and values.
    pub(crate) fn points(&self) -> &[(f64, T)] {
        &self.points
    }

    /// The value at a moment; before 0 that at 0.
    pub(crate) fn at(&self, moment: f64) -> T {
        let after = self.points.partition_point(|(at, _)| *at <= moment);
        self.points[after.saturating_sub(1)].1
    }

    /// Integral of `weight` of the value over `[from, to)`, as far as the curve goes.
    pub(crate) fn integral(&self, from: f64, to: f64, weight: impl Fn(T) -> f64) -> f64 {
        let (from, to) = (from.max(0.0), to.min(self.end));
        let ends = self.points[1..].iter().map(|(at, _)| *at).chain([self.end]);
        self.points
            .iter()
            .zip(ends)
            .map(|((at, value), end)| {
                let seconds = end.min(to) - at.max(from);
                if seconds > 0.0 {
                    seconds * weight(*value)
                } else {
                    0.0
                }
            })
            .sum()
    }

    /// Integral of `weight` of the value over the whole curve.
    pub(crate) fn total(&self, weight: impl Fn(T) -> f64) -> f64 {
        self.integral(0.0, self.end, weight)
    }

    /// Both values at every moment, as far as both curves go.
    pub(crate) fn zip<U: Copy + PartialEq>(&self, other: &Curve<U>) -> Curve<(T, U)> {
        let end = self.end.min(other.end);
        let mut moments: Vec<f64> = self
            .points
            .iter()
            .map(|(at, _)| *at)
            .chain(other.points.iter().map(|(at, _)| *at))
            .filter(|at| *at < end)
            .collect();
        moments.sort_by(f64::total_cmp);
        moments.dedup();
        let points = moments
            .into_iter()
            .map(|at| (at, (self.at(at), other.at(at))))
            .collect();
        Curve { points, end }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const END: f64 = 100.0;

    prop_compose! {
        fn curve()(mut points in prop::collection::vec((-5.0..120.0f64, 0u32..20), 1..20)) -> Curve<u32> {
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            Curve::new(points, END).unwrap()
        }
    }

    #[test]
    fn what_was_before_the_begin_holds_at_it() {
        let curve = Curve::new(
            [(-3.0, 1), (-1.0, 2), (10.0, 4), (10.0, 5), (200.0, 9)],
            END,
        )
        .unwrap();
        assert_eq!(curve.points(), [(0.0, 2), (10.0, 5)]);
        assert_eq!((curve.at(9.9), curve.at(10.0), curve.at(99.0)), (2, 5, 5));
        assert_eq!(curve.total(f64::from), 2.0 * 10.0 + 5.0 * 90.0);
        assert_eq!(curve.integral(9.0, 11.0, f64::from), 7.0);
        assert_eq!(Curve::<u32>::new([], END), None);
    }

    proptest! {
        #[test]
        fn integrals_add_up(curve in curve(), cut in 0.0..END) {
            let parts = curve.integral(0.0, cut, f64::from) + curve.integral(cut, END, f64::from);
            prop_assert!((parts - curve.total(f64::from)).abs() < 1e-9);
        }

        #[test]
        fn a_zipped_curve_has_both(a in curve(), b in curve(), moment in 0.0..END) {
            let both = a.zip(&b);
            prop_assert_eq!(both.at(moment), (a.at(moment), b.at(moment)));
            let sum = a.total(f64::from) + b.total(f64::from);
            prop_assert!((both.total(|(a, b)| f64::from(a) + f64::from(b)) - sum).abs() < 1e-6);
        }
    }
}
