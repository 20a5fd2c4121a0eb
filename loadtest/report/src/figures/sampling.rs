//! Brings records onto the grid of a chart.

use crate::chart::time::{Grid, Values};

/// On the grid, what holds until the next point; NaN before the first. Points are in order of time.
pub(super) fn held(grid: Grid, points: &[(f64, f64)]) -> Values {
    let mut next = points.iter().peekable();
    let mut value = f64::NAN;
    (0..grid.points)
        .map(|index| {
            let now = grid.start + grid.step * index as f64;
            while let Some((_, new)) = next.next_if(|(at, _)| *at <= now) {
                value = *new;
            }
            value
        })
        .collect()
}

/// On the grid, the mean of the points from each grid point to the next; NaN where there are none.
pub(super) fn averaged(grid: Grid, points: &[(f64, f64)]) -> Values {
    let mut bins = vec![(0.0, 0_u32); grid.points];
    for (at, value) in points {
        let index = ((at - grid.start) / grid.step).floor();
        if index >= 0.0
            && let Some((sum, count)) = bins.get_mut(index as usize)
        {
            *sum += value;
            *count += 1;
        }
    }
    bins.into_iter()
        .map(|(sum, count)| {
            if count == 0 {
                f64::NAN
            } else {
                sum / f64::from(count)
            }
        })
        .collect()
}

/// Point by point; NaN where one has none, and everywhere when there is nothing to add.
pub(super) fn sum(grid: Grid, series: impl Iterator<Item = Values>) -> Values {
    let mut total: Option<Values> = None;
    for values in series.filter(|values| values.len() == grid.points) {
        match &mut total {
            None => total = Some(values),
            Some(total) => total
                .iter_mut()
                .zip(values)
                .for_each(|(total, value)| *total += value),
        }
    }
    total.unwrap_or_else(|| vec![f64::NAN; grid.points])
}

/// The median; NaN of nothing.
pub(super) fn middle_of_sorted(values: &[f64]) -> f64 {
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[n / 2],
        n => f64::midpoint(values[n / 2 - 1], values[n / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRID: Grid = Grid {
        start: 0.0,
        step: 2.0,
        points: 4,
    };

    #[test]
    fn a_value_holds_until_the_next() {
        let held = held(GRID, &[(-3.0, 1.0), (2.0, 2.0), (3.0, 5.0)]);
        assert_eq!(held, [1.0, 2.0, 5.0, 5.0]);
    }

    #[test]
    fn bins_average_what_falls_into_them() {
        let bins = averaged(
            GRID,
            &[(0.0, 1.0), (1.0, 3.0), (5.0, 7.0), (99.0, 1.0), (-1.0, 1.0)],
        );
        assert_eq!(bins[0], 2.0);
        assert!(bins[1].is_nan());
        assert_eq!(bins[2], 7.0);
    }

    #[test]
    fn the_middle_of_an_even_number_is_between_two() {
        assert_eq!(middle_of_sorted(&[1.0, 2.0, 4.0, 9.0]), 3.0);
        assert!(middle_of_sorted(&[]).is_nan());
    }
}
