//! The queue that decides when an autoscaler is looked at: client-go's delaying work queue with a
//! fixed delay for everything. `now` is an argument.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

/// Keys that wait for their time, are due, or are being worked on.
///
/// Holds each key at most once in each of these states, so it is as large as there are autoscalers.
#[derive(Debug)]
pub(super) struct Queue<K> {
    delay: Duration,
    waiting: BTreeMap<K, Instant>,
    due: VecDeque<K>,
    working: BTreeSet<K>,
}

impl<K: Ord + Clone> Queue<K> {
    /// An empty queue; all that is added waits for `delay`.
    pub(super) fn new(delay: Duration) -> Self {
        Self {
            delay,
            waiting: BTreeMap::new(),
            due: VecDeque::new(),
            working: BTreeSet::new(),
        }
    }

    /// Puts a key in; nothing happens when it waits already.
    pub(super) fn add(&mut self, key: K, now: Instant) {
        self.waiting.entry(key).or_insert(now + self.delay);
    }

    /// Takes out the next key that is due. It is not given out again before it is [`Queue::done`],
    /// but may be added meanwhile.
    pub(super) fn pop(&mut self, now: Instant) -> Option<K> {
        let mut ripe: Vec<(Instant, K)> = self
            .waiting
            .extract_if(.., |_, at| *at <= now)
            .map(|(key, at)| (at, key))
            .collect();
        ripe.sort();
        for (_, key) in ripe {
            if !self.due.contains(&key) {
                self.due.push_back(key);
            }
        }
        let at = self
            .due
            .iter()
            .position(|key| !self.working.contains(key))?;
        let key = self.due.remove(at)?;
        self.working.insert(key.clone());
        Some(key)
    }

    /// Says that a key is no longer worked on.
    pub(super) fn done(&mut self, key: &K) {
        self.working.remove(key);
    }

    /// When [`Queue::pop`] has something new to look at.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.waiting.values().min().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_secs(15);

    fn at(start: Instant, secs: f64) -> Instant {
        start + Duration::from_secs_f64(secs)
    }

    #[test]
    fn what_waits_is_not_moved_by_being_added() {
        let (mut queue, start) = (Queue::new(PERIOD), Instant::now());
        queue.add("a", start);
        for secs in [1.0, 7.5, 14.9] {
            queue.add("a", at(start, secs));
            assert_eq!(queue.pop(at(start, secs)), None);
        }
        assert_eq!(queue.next_due(), Some(at(start, 15.0)));
        assert_eq!(queue.pop(at(start, 15.0)), Some("a"));
        assert_eq!(queue.pop(at(start, 15.0)), None);
        assert_eq!(queue.next_due(), None);
    }

    #[test]
    fn the_first_addition_during_a_pass_starts_the_next_period() {
        let (mut queue, start) = (Queue::new(PERIOD), Instant::now());
        queue.add("a", start);
        queue.pop(at(start, 15.0));
        queue.add("a", at(start, 15.01)); // its own status was written
        queue.done(&"a");
        queue.add("a", at(start, 15.02)); // the pass ended
        assert_eq!(queue.next_due(), Some(at(start, 30.01)));
    }

    #[test]
    fn a_key_is_given_to_one_worker_at_a_time_and_never_lost() {
        let (mut queue, start) = (Queue::new(PERIOD), Instant::now());
        queue.add("slow", start);
        queue.add("other", at(start, 1.0));
        assert_eq!(queue.pop(at(start, 15.0)), Some("slow"));
        queue.add("slow", at(start, 15.0));
        // The pass takes longer than a period.
        assert_eq!(queue.pop(at(start, 31.0)), Some("other"));
        assert_eq!(queue.pop(at(start, 31.0)), None);
        queue.add("slow", at(start, 32.0));
        queue.done(&"slow");
        assert_eq!(
            queue.pop(at(start, 32.0)),
            Some("slow"),
            "became due meanwhile"
        );
        assert_eq!(
            queue.next_due(),
            Some(at(start, 47.0)),
            "and was added again"
        );
    }
}
