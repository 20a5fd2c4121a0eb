//! What to measure of a container, and how densely.

use std::collections::BTreeMap;

use super::Metric;

/// The share of events that is recorded, above 0 and at most 1.
///
/// The kernel compares a 32-bit random number with a threshold, so rates below 2^-32 round up to
/// that. 1 draws no number at all and is exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SamplingRate {
    threshold: u32,
}

/// A rate that is none.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("a sampling rate is above 0 and at most 1, not {0}")]
pub struct SamplingRateError(f64);

impl SamplingRate {
    /// Every event is recorded.
    pub const ALL: Self = Self {
        threshold: u32::MAX,
    };

    const DRAWS: f64 = 4_294_967_296.0; // 2^32

    /// A rate from a number in (0, 1].
    pub fn try_new(rate: f64) -> Result<Self, SamplingRateError> {
        if !(rate > 0.0 && rate <= 1.0) {
            return Err(SamplingRateError(rate));
        }
        if rate == 1.0 {
            return Ok(Self::ALL);
        }
        // u32::MAX means "no draw", so the largest drawn rate is one below it.
        let threshold = (rate * Self::DRAWS)
            .round()
            .clamp(1.0, f64::from(u32::MAX - 1));
        Ok(Self {
            threshold: threshold as u32,
        })
    }

    /// The probability of recording an event, as the kernel applies it.
    pub fn probability(self) -> f64 {
        if self == Self::ALL {
            1.0
        } else {
            f64::from(self.threshold) / Self::DRAWS
        }
    }

    /// The unbiased estimate of how many events happened when `recorded` were recorded, rounded to
    /// the nearest.
    pub(super) fn scale(self, recorded: u64) -> u64 {
        if self == Self::ALL {
            return recorded;
        }
        let threshold = u128::from(self.threshold);
        let scaled = ((u128::from(recorded) << 32) + threshold / 2) / threshold;
        u64::try_from(scaled).unwrap_or(u64::MAX)
    }

    /// What goes into the container's config cell.
    pub(super) fn threshold(self) -> u32 {
        self.threshold
    }
}

/// The metrics to measure of one container; none at first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings(BTreeMap<Metric, SamplingRate>);

/// A setting that makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// CPU time is a difference of clocks, so leaving out events would break it.
    #[error("{} cannot be sampled: its rate must be 1", .0.as_str_name())]
    CannotBeSampled(Metric),
    /// The protocol's placeholder.
    #[error("METRIC_UNSPECIFIED is not a metric; is the scaler newer than this agent?")]
    Unspecified,
}

impl Settings {
    /// Adds a metric, or changes its rate.
    pub fn set(&mut self, metric: Metric, rate: SamplingRate) -> Result<(), SettingsError> {
        match metric {
            Metric::Unspecified => Err(SettingsError::Unspecified),
            Metric::OnCpuTime | Metric::OffCpuTime if rate != SamplingRate::ALL => {
                Err(SettingsError::CannotBeSampled(metric))
            }
            _ => {
                self.0.insert(metric, rate);
                Ok(())
            }
        }
    }

    /// The rate of a metric, if it is to be measured.
    pub fn get(&self, metric: Metric) -> Option<SamplingRate> {
        self.0.get(&metric).copied()
    }

    /// What is to be measured.
    pub fn iter(&self) -> impl Iterator<Item = (Metric, SamplingRate)> {
        self.0.iter().map(|(metric, rate)| (*metric, *rate))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_rate_is_refused() {
        for rate in [0.0, -0.1, 1.000_001, f64::NAN, f64::INFINITY] {
            assert!(SamplingRate::try_new(rate).is_err(), "{rate}");
        }
    }

    #[test]
    fn cpu_time_refuses_sampling() {
        let half = SamplingRate::try_new(0.5).expect("a rate");
        let mut settings = Settings::default();
        assert!(settings.set(Metric::OnCpuTime, half).is_err());
        assert!(settings.set(Metric::OnCpuTime, SamplingRate::ALL).is_ok());
        assert!(settings.set(Metric::RunqLatency, half).is_ok());
        assert_eq!(settings.get(Metric::RunqLatency), Some(half));
    }

    proptest! {
        #[test]
        fn only_one_is_all_and_the_rest_is_close(rate in 1e-9..=1.0f64) {
            let sampling = SamplingRate::try_new(rate).expect("in range");
            prop_assert_eq!(sampling == SamplingRate::ALL, rate == 1.0);
            prop_assert!((sampling.probability() - rate).abs() <= 1.0 / SamplingRate::DRAWS * 1.01);
        }
    }
}
