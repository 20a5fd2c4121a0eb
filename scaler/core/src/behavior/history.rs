//! What a deployment's autoscaler remembers: recommendations and scale events.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// A replica count at a moment: a recommendation, or the size of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Replicas recommended, or added or removed.
    pub replicas: u32,
    /// When.
    pub at: Timestamp,
}

/// Entries of the recent past, in slots that are reused once nobody asks about them any more.
///
/// Changes are [stored](History::store), as each of them counts. Recommendations are
/// [renewed](History::renew): only the extremes of a window count, so of each replica count the
/// newest entry says it all, however often decisions are made.
///
/// At most [`History::MAX`]; a further entry takes the oldest one's slot, which shortens the past
/// rather than growing without end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct History {
    slots: Vec<Entry>,
}

impl History {
    /// One change a second for the longest window that a policy may have (an hour), or so many
    /// different recommendations within a window.
    pub const MAX: usize = 3600;

    /// The entries in slot order.
    #[must_use]
    pub fn slots(&self) -> &[Entry] {
        &self.slots
    }

    /// The entries younger than `window`; one exactly that old is outside, as in the HPA.
    pub fn within(&self, window: Duration, now: Timestamp) -> impl Iterator<Item = u32> {
        self.slots
            .iter()
            .filter(move |entry| now.since(entry.at) < window)
            .map(|entry| entry.replicas)
    }

    /// Remembers that `replicas` is still recommended at `now`, in the slot of its earlier
    /// recommendation if there is one, else as [`History::store`] does.
    pub fn renew(&mut self, replicas: u32, keep: Duration, now: Timestamp) {
        let mut slots = self.slots.iter_mut();
        match slots.find(|slot| slot.replicas == replicas) {
            Some(slot) => slot.at = slot.at.max(now),
            None => self.store(replicas, keep, now),
        }
    }

    /// Stores `replicas` at `now`, in the last slot older than `keep` if there is one, as in the
    /// HPA.
    pub fn store(&mut self, replicas: u32, keep: Duration, now: Timestamp) {
        let entry = Entry { replicas, at: now };
        let outdated = self
            .slots
            .iter()
            .rposition(|slot| now.since(slot.at) >= keep);
        let oldest = || {
            let ages = self.slots.iter().enumerate();
            ages.min_by_key(|(_, slot)| slot.at).map(|(index, _)| index)
        };
        let slot = match outdated {
            None if self.slots.len() >= Self::MAX => oldest(),
            outdated => outdated,
        };
        match slot {
            Some(index) => self.slots[index] = entry,
            None => self.slots.push(entry),
        }
    }
}

impl FromIterator<Entry> for History {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Self {
        Self {
            slots: entries.into_iter().take(Self::MAX).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn tenths(tenths: u64) -> Timestamp {
        Timestamp::new(Duration::from_millis(100 * tenths))
    }

    #[test]
    fn frequent_recommendations_do_not_shorten_the_window() {
        let mut history = History::default();
        history.renew(9, HOUR, tenths(0));
        for now in 1..36_000 {
            history.renew(1 + (now % 3) as u32, HOUR, tenths(now));
            assert!(history.slots().len() <= 4);
        }
        let highest = |now| history.within(HOUR, tenths(now)).max();
        assert_eq!((highest(35_999), highest(36_000)), (Some(9), Some(3)));
    }

    proptest! {
        /// Renewing forgets nothing that stabilisation asks for.
        #[test]
        fn renewing_keeps_the_extremes_of_every_window(
            recommended in proptest::collection::vec((0u32..6, 0u64..40), 1..60),
            keep in 1u32..20,
            window in 1u32..20,
        ) {
            let seconds = |seconds: u32| Duration::from_secs(seconds.into());
            let (keep, window) = (seconds(keep), seconds(window.min(keep)));
            let (mut all, mut newest) = (History::default(), History::default());
            let mut now = 0;
            for (replicas, passed) in recommended {
                now += passed;
                all.store(replicas, keep, tenths(now));
                newest.renew(replicas, keep, tenths(now));
                let extremes = |history: &History| {
                    let within = || history.within(window, tenths(now));
                    (within().min(), within().max())
                };
                prop_assert_eq!(extremes(&all), extremes(&newest));
            }
        }
    }
}
