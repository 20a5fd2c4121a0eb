//! Axes: round ticks, and numbers in as few characters as they need.

/// A linear axis from zero to a round maximum.
#[derive(Debug, Clone, PartialEq)]
pub struct Scale {
    /// Upper end; above every value it was made for.
    pub max: f64,
    /// Distance between ticks.
    pub step: f64,
}

impl Scale {
    /// An axis for values up to `largest` with about `ticks` intervals; `whole` allows only whole ticks.
    #[must_use]
    pub fn up_to(largest: f64, ticks: u32, whole: bool) -> Self {
        let largest = if largest.is_finite() && largest > 0.0 {
            largest
        } else {
            1.0
        };
        let rough = largest / f64::from(ticks.max(1));
        let magnitude = 10_f64.powf(rough.log10().floor());
        let mut step = [1.0, 2.0, 2.5, 5.0, 10.0]
            .into_iter()
            .map(|factor| factor * magnitude)
            .find(|step| *step >= rough * 0.999)
            .unwrap_or(10.0 * magnitude);
        if whole {
            step = step.ceil();
        }
        Self {
            max: (largest / step - 1e-9).ceil().max(1.0) * step,
            step,
        }
    }

    /// Ticks from zero to the maximum.
    pub fn ticks(&self) -> impl Iterator<Item = f64> + '_ {
        // The maximum is a multiple of the step, and few of them.
        (0..=(self.max / self.step).round() as u32).map(|i| f64::from(i) * self.step)
    }

    /// Where `value` lies between the ends: 0 at zero, 1 at the maximum; outside values stick to the ends.
    #[must_use]
    pub fn fraction(&self, value: f64) -> f64 {
        (value / self.max).clamp(0.0, 1.0)
    }
}

/// A step between time ticks, in seconds, that gives at most `ticks` of them over `span` seconds.
#[must_use]
pub fn time_step(span: f64, ticks: u32) -> f64 {
    [
        5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 21_600.0,
    ]
    .into_iter()
    .find(|step| span / step <= f64::from(ticks))
    .unwrap_or(86_400.0)
}

/// Seconds as `m:ss`, or `h:mm:ss` from an hour on.
#[must_use]
pub fn clock(seconds: f64) -> String {
    let sign = if seconds < -0.5 { "\u{2212}" } else { "" };
    let whole = seconds.abs().round() as u64;
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    if hours > 0 {
        format!("{sign}{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{sign}{minutes}:{seconds:02}")
    }
}

/// A number with three significant digits and grouped thousands.
#[must_use]
pub fn number(value: f64) -> String {
    if !value.is_finite() {
        return "\u{2013}".to_owned();
    }
    let size = value.abs();
    let digits = match size {
        _ if size == 0.0 || size >= 99.95 || (size - size.round()).abs() < 5e-10 => 0,
        _ if size >= 9.995 => 1,
        _ if size >= 0.9995 => 2,
        _ => 3,
    };
    let mut text = format!("{size:.digits$}");
    if text.contains('.') {
        text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
    }
    let whole = text.find('.').unwrap_or(text.len());
    let mut at = whole;
    while at > 3 {
        at -= 3;
        text.insert(at, ',');
    }
    if value < 0.0 && text != "0" {
        format!("\u{2212}{text}")
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_reach_above_the_largest_value() {
        let scale = Scale::up_to(87.0, 4, false);
        assert_eq!(
            scale.ticks().collect::<Vec<_>>(),
            [0.0, 25.0, 50.0, 75.0, 100.0]
        );
        let scale = Scale::up_to(3.0, 4, true);
        assert_eq!(scale.ticks().collect::<Vec<_>>(), [0.0, 1.0, 2.0, 3.0]);
        for largest in [0.0, f64::NAN, 1e-7, 0.3, 7.0, 13.0, 20.0, 1e9] {
            let scale = Scale::up_to(largest, 4, false);
            assert!(
                scale.max >= largest || largest.is_nan(),
                "{largest}: {scale:?}"
            );
            assert!(
                (2..=6).contains(&scale.ticks().count()),
                "{largest}: {scale:?}"
            );
        }
    }

    #[test]
    fn numbers_are_short() {
        let cases = [
            (0.0, "0"),
            (3.0, "3"),
            (0.1234, "0.123"),
            (1.5, "1.5"),
            (15.66, "15.7"),
            (1234.4, "1,234"),
            (1_234_567.0, "1,234,567"),
            (-2.0, "\u{2212}2"),
            (f64::NAN, "\u{2013}"),
            (100.0, "100"),
            (0.0001, "0"),
        ];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn clocks_read_like_clocks() {
        assert_eq!(clock(75.2), "1:15");
        assert_eq!(clock(-5.0), "\u{2212}0:05");
        assert_eq!(clock(3725.0), "1:02:05");
    }
}
