//! One policy's side of a replay, summed up.

use scaler_core::{Decision, Limit, Mode, Reason, ScalingPolicy};
use serde::Serialize;

/// One policy's side, summed up.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Side {
    /// `NAMESPACE/NAME (FILE:LINE)`, of the first version.
    pub policy: String,
    /// `Active`, `DryRun` or `Paused`.
    pub mode: String,
    /// Replicas times time.
    pub replica_seconds: f64,
    /// Most replicas.
    pub peak: u32,
    /// Times that replicas were added.
    pub ups: u32,
    /// Times that replicas were taken away.
    pub downs: u32,
    /// Seconds until replicas were first added.
    pub first_up_seconds: Option<f64>,
    /// Time during which a limit kept the replicas from following the metrics.
    pub limited_seconds: f64,
    /// Of it, time during which that was `maxReplicas`.
    pub at_max_seconds: f64,
    /// Decisions on too little data.
    pub silent: u64,
    #[serde(skip)]
    pub(super) last: Option<u32>,
}

/// One decision, as far as sums go.
pub(super) struct Seen {
    pub(super) replicas: u32,
    pub(super) is_silent: bool,
    pub(super) is_limited: bool,
    pub(super) is_at_max: bool,
}

impl Seen {
    pub(super) fn of(decision: &Decision) -> Self {
        Seen {
            replicas: applied(decision),
            is_silent: decision.reason == Reason::InsufficientData,
            is_limited: !decision.limits.is_empty(),
            is_at_max: decision.limits.contains(&Limit::TooManyReplicas),
        }
    }
}

/// `NAMESPACE/NAME (FILE:LINE)`.
pub(super) fn name(policy: &ScalingPolicy) -> String {
    format!("{}/{} ({})", policy.namespace, policy.name, policy.origin)
}

/// What a decision of the other policy makes of the replicas.
pub(super) fn applied(decision: &Decision) -> u32 {
    match decision.mode {
        Mode::Paused => decision.current,
        Mode::Active | Mode::DryRun => decision.desired,
    }
}

impl Side {
    pub(super) fn set_policy(&mut self, policy: &ScalingPolicy) {
        if self.policy.is_empty() {
            self.policy = name(policy);
        }
        self.mode = format!("{:?}", policy.mode);
    }

    /// Adds one decision, `passed` seconds after the one before; returns the change since then.
    pub(super) fn see(&mut self, at: f64, passed: f64, seen: &Seen) -> Option<(u32, u32)> {
        let before = self.last.replace(seen.replicas);
        self.replica_seconds += f64::from(before.unwrap_or(seen.replicas)) * passed;
        self.peak = self.peak.max(seen.replicas);
        self.silent += u64::from(seen.is_silent);
        if seen.is_limited {
            self.limited_seconds += passed;
        }
        if seen.is_at_max {
            self.at_max_seconds += passed;
        }
        let before = before.filter(|before| *before != seen.replicas)?;
        if seen.replicas > before {
            self.ups += 1;
            self.first_up_seconds.get_or_insert(at);
        } else {
            self.downs += 1;
        }
        Some((before, seen.replicas))
    }
}
