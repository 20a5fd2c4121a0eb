//! Axes of plots: round ticks in few characters.

/// A linear axis from zero to a round maximum.
pub(super) struct Scale {
    pub(super) max: f64,
    step: f64,
}

impl Scale {
    pub(super) fn up_to(largest: f64, whole: bool) -> Self {
        let largest = if largest > 0.0 { largest } else { 1.0 };
        let rough = largest / 4.0;
        let magnitude = 10f64.powf(rough.log10().floor());
        let factors = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter();
        let step = factors
            .map(|factor| factor * magnitude)
            .find(|step| *step >= rough * 0.999)
            .unwrap_or(10.0 * magnitude);
        let step = if whole { step.ceil() } else { step };
        let max = (largest / step - 1e-9).ceil().max(1.0) * step;
        Scale { max, step }
    }

    pub(super) fn ticks(&self) -> impl Iterator<Item = f64> {
        let step = self.step;
        (0..=(self.max / step).round() as u32).map(move |tick| f64::from(tick) * step)
    }
}

/// Seconds between ticks, so that there are at most eight.
pub(super) fn time_step(span: f64) -> f64 {
    let steps = [
        1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 21_600.0, 86_400.0,
    ];
    let fitting = steps.into_iter().find(|step| span / step <= 8.0);
    fitting.unwrap_or_else(|| (span / 8.0).ceil())
}

/// `m:ss`, or `h:mm:ss` from an hour on.
pub(super) fn clock(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_reach_above_every_value_in_few_round_steps() {
        for largest in [0.0, f64::NAN, 1e-7, 0.3, 7.0, 13.0, 150_000.0, 1e12] {
            let scale = Scale::up_to(largest, false);
            assert!(scale.max >= largest || largest.is_nan());
            assert!((2..=6).contains(&scale.ticks().count()), "{largest}");
        }
        assert_eq!(
            Scale::up_to(3.0, true).ticks().collect::<Vec<_>>(),
            [0.0, 1.0, 2.0, 3.0]
        );
    }
}
