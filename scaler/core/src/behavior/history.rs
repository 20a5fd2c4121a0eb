//! What a deployment's autoscaler remembers: recommendations and scale events.

use std::time::Duration;

use crate::time::Timestamp;

/// A replica count at a moment: a recommendation, or the size of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Replicas recommended, or added or removed.
    pub replicas: u32,
    /// When.
    pub at: Timestamp,
}

/// Entries of the recent past, in slots that are reused once nobody asks about them any more.
///
/// At most [`History::MAX`]; a further entry takes the oldest one's slot, which shortens the past
/// rather than growing without end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    slots: Vec<Entry>,
}

impl History {
    /// One entry a second for the longest window that a policy may have (an hour).
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
