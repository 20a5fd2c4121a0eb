//! What an autoscaler remembers, as data, so that a recording can begin in the middle.

use serde::{Deserialize, Serialize};

use super::{Autoscaler, FeedKey};
use crate::behavior::History;
use crate::fallback::Silence;
use crate::policy::ScalingPolicy;
use crate::response::feed::Feed;
use crate::time::Timestamp;

/// Everything that an [`Autoscaler`] knows beside its policy: recommendations, scale events, since
/// when there is silence, and what the queueing response learned. Its timestamps are those of the clock it was fed with.
///
/// Opaque, and only good for the version of this crate that made it: reading one of another
/// version may fail, and must then be treated as having none. Exact, provided that the format
/// keeps `f64` exactly; in JSON numbers that are not finite are lost, and reading fails.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Memory {
    recommendations: Option<History>,
    ups: History,
    downs: History,
    settled_at: Option<Timestamp>,
    silence: Silence,
    /// A list, since the keys are no text.
    feeds: Vec<(FeedKey, Feed)>,
}

impl Autoscaler {
    /// A copy of what it remembers.
    #[must_use]
    pub fn memory(&self) -> Memory {
        let feeds = self.feeds.iter();
        Memory {
            recommendations: self.recommendations.clone(),
            ups: self.ups.clone(),
            downs: self.downs.clone(),
            settled_at: self.settled_at,
            silence: self.silence,
            feeds: feeds
                .map(|(key, feed)| (key.clone(), feed.clone()))
                .collect(),
        }
    }

    /// Goes on where an autoscaler with this `policy` stopped. For another policy, call
    /// [`Autoscaler::set_policy`] afterwards.
    #[must_use]
    pub fn with_memory(policy: ScalingPolicy, memory: Memory) -> Self {
        Self {
            policy,
            recommendations: memory.recommendations,
            ups: memory.ups,
            downs: memory.downs,
            settled_at: memory.settled_at,
            silence: memory.silence,
            feeds: memory.feeds.into_iter().collect(),
        }
    }
}
