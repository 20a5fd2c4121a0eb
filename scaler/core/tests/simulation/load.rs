//! Who asks: arrivals over time.

use rand::Rng;
use rand::rngs::StdRng;

/// Mean demand over time, as a multiple of the starting demand.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    /// The same all the time.
    Constant,
    /// Multiplied at `at` seconds.
    Step { at: f64, factor: f64 },
    /// Grows linearly to `factor` between the two.
    Ramp { from: f64, to: f64, factor: f64 },
    /// Multiplied between the two.
    Spike { from: f64, to: f64, factor: f64 },
}

impl Shape {
    pub(crate) fn factor(self, seconds: f64) -> f64 {
        match self {
            Self::Constant => 1.0,
            Self::Step { at, factor } => {
                if seconds >= at {
                    factor
                } else {
                    1.0
                }
            }
            Self::Ramp { from, to, factor } => {
                1.0 + (factor - 1.0) * ((seconds - from) / (to - from)).clamp(0.0, 1.0)
            }
            Self::Spike { from, to, factor } => {
                if (from..to).contains(&seconds) {
                    factor
                } else {
                    1.0
                }
            }
        }
    }

    pub(crate) fn highest(self) -> f64 {
        match self {
            Self::Constant => 1.0,
            Self::Step { factor, .. } | Self::Ramp { factor, .. } | Self::Spike { factor, .. } => {
                factor.max(1.0)
            }
        }
    }
}

/// Where requests come from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Arrivals {
    /// Poisson, so many per second at factor 1.
    Open(f64),
    /// This many users at factor 1, who think for an exponential time of this mean in seconds.
    Closed { users: f64, think: f64 },
}

/// Exponential with this mean.
pub(crate) fn exponential(random: &mut StdRng, mean: f64) -> f64 {
    -mean * (1.0 - random.random::<f64>()).ln()
}
