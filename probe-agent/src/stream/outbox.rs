//! Reports on their way to whichever scaler leads.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::following::StreamId;

/// Sent items that are kept, for the next leader: it begins with empty windows. As many as the
/// intervals of twice the usual window of a policy (5 s).
pub const KEPT: usize = 10;

/// The reader until the first [`Outbox::rewind`]: the only one of an outbox that is never rewound.
pub const SOLE_READER: StreamId = 0;

/// A bounded queue from the measuring thread to the streams, which numbers its items.
///
/// ```text
///   [ sent, kept | waiting ........ ] ◀─ push
///                ▲ pop hands out the next; rewind moves it to the front
/// ```
///
/// When too many wait, the **oldest** waiting one is thrown away and counted: what decides scaling is
/// what happened last. The last [`KEPT`] that were sent stay, to be sent once more to another leader
/// under their old numbers, by which a scaler that had them knows them.
///
/// One stream at a time takes items: that of the last [`Outbox::rewind`]. A stream that has not noticed
/// yet that another scaler leads waits, and cannot take what that one is to get.
#[derive(Debug)]
pub struct Outbox<T> {
    capacity: NonZeroUsize,
    state: Mutex<State<T>>,
    changed: Notify,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<Numbered<T>>,
    /// Items at the front that were sent.
    sent: usize,
    dropped: u64,
    pushed: u64,
    reader: StreamId,
}

/// An item and its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbered<T> {
    /// 1, 2, 3 ... in the order of pushes, dropped ones included.
    pub number: u64,
    /// What was pushed.
    pub item: T,
}

impl<T: Clone> Outbox<T> {
    /// An empty one in which at most `capacity` items wait.
    pub fn bounded(capacity: NonZeroUsize) -> Self {
        let state = State {
            items: VecDeque::with_capacity(capacity.get() + KEPT),
            sent: 0,
            dropped: 0,
            pushed: 0,
            reader: SOLE_READER,
        };
        Self {
            capacity,
            state: Mutex::new(state),
            changed: Notify::new(),
        }
    }

    /// Adds an item; never blocks.
    pub fn push(&self, item: T) {
        {
            let mut state = self.lock();
            if state.items.len() - state.sent >= self.capacity.get() {
                let oldest_waiting = state.sent;
                state.items.remove(oldest_waiting);
                state.dropped += 1;
            }
            state.pushed += 1;
            let number = state.pushed;
            state.items.push_back(Numbered { number, item });
        }
        self.changed.notify_waiters();
    }

    /// Waits until `reader` is the one that gets items, and for the next item to send. Cancelling the
    /// wait loses nothing.
    pub async fn pop(&self, reader: StreamId) -> Numbered<T> {
        loop {
            let mut changed = pin!(self.changed.notified());
            // From here on no change is missed.
            changed.as_mut().enable();
            if let Some(next) = self.take_next(reader) {
                return next;
            }
            changed.await;
        }
    }

    /// Has everything that is kept sent again, oldest first, by `reader` alone: another scaler leads.
    pub fn rewind(&self, reader: StreamId) {
        let mut state = self.lock();
        state.reader = reader;
        state.sent = 0;
        // They wait again, so the bound of those that wait holds for them too.
        while state.items.len() > self.capacity.get() {
            state.items.pop_front();
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// Items thrown away unsent since this was made, because too many waited.
    pub fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    /// Items waiting now.
    pub fn waiting(&self) -> usize {
        let state = self.lock();
        state.items.len() - state.sent
    }

    fn take_next(&self, reader: StreamId) -> Option<Numbered<T>> {
        let mut state = self.lock();
        if state.reader != reader {
            return None;
        }
        let next = state.items.get(state.sent)?.clone();
        state.sent += 1;
        if state.sent > KEPT {
            state.items.pop_front();
            state.sent -= 1;
        }
        Some(next)
    }

    /// Every operation under the lock leaves the state whole, so a poisoned lock is still good.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn outbox(capacity: usize) -> Outbox<u32> {
        Outbox::bounded(NonZeroUsize::new(capacity).expect("not zero"))
    }

    #[tokio::test]
    async fn a_full_one_drops_the_oldest_and_counts_it() {
        let outbox = outbox(2);
        (1..=5).for_each(|item| outbox.push(item));
        assert_eq!((outbox.dropped(), outbox.waiting()), (3, 2));
        let first = outbox.pop(0).await;
        assert_eq!((first.number, first.item), (4, 4));
        assert_eq!(outbox.pop(0).await.number, 5);
        assert_eq!(outbox.waiting(), 0);
    }

    #[tokio::test]
    async fn a_push_and_a_rewind_wake_a_waiting_pop() {
        let outbox = outbox(3);
        let (popped, ()) = tokio::join!(outbox.pop(0), async { outbox.push(7) });
        assert_eq!(popped.item, 7);
        let (again, ()) = tokio::join!(outbox.pop(0), async { outbox.rewind(0) });
        assert_eq!(again, popped, "the same under the same number");
    }

    #[tokio::test]
    async fn who_does_not_lead_any_more_takes_nothing() {
        let outbox = outbox(3);
        outbox.push(7);
        outbox.pop(0).await;
        outbox.rewind(5);
        assert!(outbox.take_next(0).is_none());
        assert_eq!(outbox.pop(5).await.item, 7);
        // Both wait: the push wakes the one that it is for.
        let former = outbox.pop(0);
        let next = async {
            let (next, ()) = tokio::join!(outbox.pop(5), async { outbox.push(8) });
            next
        };
        tokio::select! {
            biased;
            _ = former => panic!("it was not for this one"),
            next = next => assert_eq!(next.item, 8),
        }
    }

    #[tokio::test]
    async fn the_next_leader_gets_the_last_few_again_in_order() {
        let outbox = outbox(30);
        for item in 1..=25 {
            outbox.push(item);
            outbox.pop(0).await;
        }
        outbox.push(26);
        outbox.rewind(0);
        let mut numbers = Vec::new();
        while outbox.waiting() > 0 {
            numbers.push(outbox.pop(0).await.number);
        }
        assert_eq!(numbers, (16..=26).collect::<Vec<u64>>());
        assert_eq!(outbox.dropped(), 0);
    }

    proptest! {
        #[test]
        fn it_is_bounded_and_numbers_grow(
            capacity in 1usize..8,
            steps in prop::collection::vec(0u8..10, 0..80),
        ) {
            let outbox = outbox(capacity);
            let (mut last, mut pushed) = (0, 0);
            for step in steps {
                match step {
                    0 => {
                        outbox.rewind(0);
                        last = 0;
                    }
                    1..=5 => {
                        pushed += 1;
                        outbox.push(pushed);
                    }
                    _ => {
                        if let Some(next) = outbox.take_next(0) {
                            prop_assert!(next.number > last);
                            prop_assert_eq!(next.number, u64::from(next.item));
                            last = next.number;
                        }
                    }
                }
                prop_assert!(outbox.waiting() <= capacity);
                prop_assert!(outbox.lock().items.len() <= capacity + KEPT);
            }
        }
    }
}
