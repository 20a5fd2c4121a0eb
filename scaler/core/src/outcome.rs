//! What a decision comes to, before it is put into words.

use crate::behavior::Allowed;
use crate::decision::{Limit, Reason};

/// A replica count and what led to it.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) desired: u32,
    /// What the metrics would have.
    pub(crate) wanted: u32,
    pub(crate) reason: Reason,
    pub(crate) limits: Vec<Limit>,
    /// Why it holds; empty where the evidence speaks for itself.
    pub(crate) note: String,
}

impl Outcome {
    pub(crate) fn hold(current: u32, reason: Reason, note: String) -> Self {
        Self {
            desired: current,
            wanted: current,
            reason,
            limits: Vec::new(),
            note,
        }
    }

    pub(crate) fn limited_by(mut self, limit: Limit) -> Self {
        self.limits.push(limit);
        self
    }

    /// More replicas because data stays away; the rate limits hold.
    pub(crate) fn fallback(
        wanted: u32,
        allowed: Allowed,
        (min, max): (u32, u32),
        note: String,
    ) -> Self {
        Self {
            desired: allowed.replicas.clamp(min, max),
            wanted,
            reason: Reason::Fallback,
            limits: allowed.limit.into_iter().collect(),
            note,
        }
    }

    pub(crate) fn bound(bound: u32, reason: Reason, limit: Limit) -> Self {
        Self {
            desired: bound,
            wanted: bound,
            reason,
            limits: vec![limit],
            note: String::new(),
        }
    }

    pub(crate) fn normal(
        current: u32,
        wanted: u32,
        stabilized: Allowed,
        allowed: Allowed,
        (min, max): (u32, u32),
    ) -> Self {
        let reason = match wanted.cmp(&current) {
            std::cmp::Ordering::Greater => Reason::AboveThreshold,
            std::cmp::Ordering::Less => Reason::BelowThreshold,
            std::cmp::Ordering::Equal => Reason::WithinThreshold,
        };
        Self {
            // The bounds hold whatever was computed before.
            desired: allowed.replicas.clamp(min, max),
            wanted,
            reason,
            limits: [stabilized.limit, allowed.limit]
                .into_iter()
                .flatten()
                .collect(),
            note: String::new(),
        }
    }
}
