//! The controller's settings: command-line options and feature gates.

use std::time::Duration;

use crate::behavior::Behavior;

/// Command-line settings of the controller, with Kubernetes' defaults.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Fraction by which the ratio may miss 1 without a change.
    pub tolerance: f64,
    /// How long after its start a pod's CPU is treated with suspicion.
    pub cpu_initialization_period: Duration,
    /// How soon after its start an unready pod counts as never having been ready.
    pub initial_readiness_delay: Duration,
    /// How long the highest recommendation holds back a scale-down.
    pub downscale_stabilization_window: Duration,
    /// Without `behavior`, a step may multiply the replicas by this.
    pub scale_up_limit_factor: f64,
    /// Without `behavior`, a step may always go to this many replicas.
    pub scale_up_limit_minimum: f64,
    /// Feature gates.
    pub features: Features,
}

/// Feature gates that change what the autoscaler does; defaults of Kubernetes 1.36.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Features {
    /// `HPAScaleToZero` (alpha, off).
    pub scale_to_zero: bool,
    /// `HPAConfigurableTolerance` (on).
    pub configurable_tolerance: bool,
    /// `PodLevelResources` (on).
    pub pod_level_resources: bool,
}

/// How far the ratio may miss 1 in each direction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerance {
    /// Upwards.
    pub scale_up: f64,
    /// Downwards; above 1 nothing ever scales down.
    pub scale_down: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            tolerance: 0.1,
            cpu_initialization_period: Duration::from_secs(300),
            initial_readiness_delay: Duration::from_secs(30),
            downscale_stabilization_window: Duration::from_secs(300),
            scale_up_limit_factor: 2.0,
            scale_up_limit_minimum: 4.0,
            features: Features::default(),
        }
    }
}

impl Default for Features {
    fn default() -> Self {
        Self {
            scale_to_zero: false,
            configurable_tolerance: true,
            pod_level_resources: true,
        }
    }
}

impl Settings {
    /// How often the controller looks at each autoscaler.
    pub const SYNC_PERIOD: Duration = Duration::from_secs(15);

    /// The tolerances for an autoscaler with this behavior.
    pub fn tolerance_for(&self, behavior: Option<&Behavior>) -> Tolerance {
        let own = Tolerance {
            scale_up: self.tolerance,
            scale_down: self.tolerance,
        };
        let Some(behavior) = behavior.filter(|_| self.features.configurable_tolerance) else {
            return own;
        };
        let written = |rules: &Option<crate::ScalingRules>| rules.as_ref()?.tolerance;
        Tolerance {
            scale_up: written(&behavior.scale_up).unwrap_or(own.scale_up),
            scale_down: written(&behavior.scale_down).unwrap_or(own.scale_down),
        }
    }
}

impl Tolerance {
    /// Whether a ratio asks for no change; both bounds belong to the tolerance. NaN does not.
    pub fn allows(&self, ratio: f64) -> bool {
        (1.0 - self.scale_down) <= ratio && ratio <= (1.0 + self.scale_up)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_bounds_belong_to_the_tolerance() {
        let tolerance = Tolerance {
            scale_up: 0.5,
            scale_down: 0.25,
        };
        assert!(tolerance.allows(1.5) && tolerance.allows(0.75));
        assert!(!tolerance.allows(1.5f64.next_up()) && !tolerance.allows(0.75f64.next_down()));
        assert!(
            Tolerance {
                scale_up: 0.0,
                scale_down: 2.0
            }
            .allows(0.0),
            "never scales down"
        );
        assert!(!tolerance.allows(f64::NAN));
    }

    #[test]
    fn the_bounds_are_those_of_doubles() {
        // 110 % of a 100 % target is exactly the double 1.1; 1 + 0.1 is that double too.
        let tolerance = Tolerance {
            scale_up: 0.1,
            scale_down: 0.1,
        };
        assert!(tolerance.allows(110.0 / 100.0));
        assert!(tolerance.allows(90.0 / 100.0));
        assert!(!tolerance.allows(111.0 / 100.0));
        assert!(!tolerance.allows(89.0 / 100.0));
    }
}
