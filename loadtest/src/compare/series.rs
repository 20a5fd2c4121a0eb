//! Cumulative readings on a trial's own clock (pure).

use std::collections::BTreeMap;
use std::time::SystemTime;

/// Seconds from `begin` to `at`; negative before it.
pub(super) fn seconds_since(begin: SystemTime, at: SystemTime) -> f64 {
    match at.duration_since(begin) {
        Ok(after) => after.as_secs_f64(),
        Err(before) => -before.duration().as_secs_f64(),
    }
}

/// Readings of counters by name, as what each has counted since second 0: `(at, name, value)`, in order of time.
///
/// What a counter showed at second 0 is interpolated between the readings around it; one that appears later counts
/// from its first reading, which is all that it has counted.
pub(super) fn since_begin(readings: &[(f64, BTreeMap<String, f64>)]) -> Vec<(f64, String, f64)> {
    let before = readings.iter().rev().find(|(at, _)| *at <= 0.0);
    let after = readings.iter().find(|(at, _)| *at > 0.0);
    let at_begin = |name: &str| {
        let of = |reading: Option<&(f64, BTreeMap<String, f64>)>| {
            reading.and_then(|(at, values)| Some((*at, *values.get(name)?)))
        };
        match (of(before), of(after)) {
            (Some((t0, v0)), Some((t1, v1))) => v0 + (v1 - v0) * (0.0 - t0) / (t1 - t0),
            (Some((_, value)), None) => value,
            (None, Some((_, value))) if before.is_none() => value,
            (None, _) => 0.0,
        }
    };
    let mut series = Vec::new();
    let names = readings.last().map(|(_, values)| values.keys());
    for name in names.into_iter().flatten() {
        series.push((0.0, name.clone(), 0.0));
        let begin = at_begin(name);
        for (at, values) in readings.iter().filter(|(at, _)| *at > 0.0) {
            if let Some(value) = values.get(name) {
                series.push((*at, name.clone(), (value - begin).max(0.0)));
            }
        }
    }
    series.sort_by(|a, b| a.0.total_cmp(&b.0));
    series
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(at: f64, values: &[(&str, f64)]) -> (f64, BTreeMap<String, f64>) {
        let values = values.iter().map(|&(name, value)| (name.to_owned(), value));
        (at, values.collect())
    }

    fn of(name: &str, series: &[(f64, String, f64)]) -> Vec<(f64, f64)> {
        let named = series.iter().filter(|(_, of, _)| of == name);
        named.map(|(at, _, value)| (*at, *value)).collect()
    }

    #[test]
    fn counting_begins_at_second_zero() {
        let readings = [
            reading(-1.5, &[("cart", 7.0)]),
            reading(-0.5, &[("cart", 8.0)]),
            reading(0.5, &[("cart", 10.0)]),
            reading(1.5, &[("cart", 11.0), ("late", 3.0)]),
        ];
        let series = since_begin(&readings);
        assert_eq!(of("cart", &series), [(0.0, 0.0), (0.5, 1.0), (1.5, 2.0)]);
        assert_eq!(of("late", &series), [(0.0, 0.0), (1.5, 3.0)]);
    }

    #[test]
    fn without_a_reading_before_it_the_first_one_is_the_begin() {
        let readings = [reading(0.2, &[("a", 5.0)]), reading(1.2, &[("a", 6.0)])];
        assert_eq!(
            of("a", &since_begin(&readings)),
            [(0.0, 0.0), (0.2, 0.0), (1.2, 1.0)]
        );
        assert!(since_begin(&[]).is_empty());
    }
}
