//! What happens when data stays away for long.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::decision::Evidence;
use crate::policy::Response;
use crate::time::Timestamp;

/// `spec.fallback`: how many replicas there shall be at least once data has stayed away for long.
///
/// It never takes replicas away: to shrink on silence is to guess that nobody calls. It applies
/// only when no metric at all has anything to say; with a part of the data there is no silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fallback {
    /// At least so many; between `minReplicas` and `maxReplicas`.
    pub replicas: u32,
    /// How long the silence must have lasted.
    pub after: Duration,
}

impl Fallback {
    /// Replicas wanted after so long a silence; `None` while nothing shall be done.
    #[must_use]
    pub fn wanted(&self, silent_for: Duration, current: u32) -> Option<u32> {
        (silent_for >= self.after && self.replicas > current).then_some(self.replicas)
    }
}

/// Since when no metric has had anything to say.
///
/// After a restart, or a change of leader, it is counted anew: a new scaler knows nothing of the
/// time before.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Silence {
    since: Option<Timestamp>,
}

impl Silence {
    /// Takes in what the metrics said at `now`.
    pub(crate) fn hear(&mut self, evidence: &[Evidence], now: Timestamp) {
        let speaks =
            |metric: &Evidence| metric.response != Response::Observe && metric.proposal.is_some();
        self.since = match evidence.iter().any(speaks) {
            true => None,
            false => self.since.or(Some(now)),
        };
    }

    /// How long it has lasted; zero while there is none.
    pub(crate) fn lasts(&self, now: Timestamp) -> Duration {
        self.since.map_or(Duration::ZERO, |since| now.since(since))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// It waits, it never shrinks, and a longer silence never wants fewer.
        #[test]
        fn a_fallback_only_ever_adds(
            replicas in 1u32..1000, after in 0u64..4000, silent in 0u64..8000, more in 0u64..8000,
            current in 0u32..2000,
        ) {
            let fallback = Fallback { replicas, after: Duration::from_secs(after) };
            let wanted = |seconds| fallback.wanted(Duration::from_secs(seconds), current);
            prop_assert!(wanted(silent).is_none_or(|wanted| wanted > current));
            prop_assert!(silent >= after || wanted(silent).is_none());
            prop_assert!(wanted(silent) <= wanted(silent + more));
        }
    }
}
