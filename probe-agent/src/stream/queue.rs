//! Reports that wait for the scaler.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// A bounded queue from the measuring thread to the stream. When it is full the **oldest** item is
/// thrown away and counted: what decides scaling is what happened last.
#[derive(Debug)]
pub struct Queue<T> {
    capacity: NonZeroUsize,
    state: Mutex<State<T>>,
    pushed: Notify,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<T>,
    dropped: u64,
}

impl<T> Queue<T> {
    /// An empty queue that holds at most `capacity` items.
    pub fn bounded(capacity: NonZeroUsize) -> Self {
        let state = State {
            items: VecDeque::with_capacity(capacity.get()),
            dropped: 0,
        };
        Self {
            capacity,
            state: Mutex::new(state),
            pushed: Notify::new(),
        }
    }

    /// Adds an item; never blocks.
    pub fn push(&self, item: T) {
        {
            let mut state = self.lock();
            if state.items.len() >= self.capacity.get() {
                state.items.pop_front();
                state.dropped += 1;
            }
            state.items.push_back(item);
        }
        self.pushed.notify_one();
    }

    /// Waits for the oldest item. Cancelling the wait loses nothing. One consumer at a time.
    pub async fn pop(&self) -> T {
        loop {
            if let Some(item) = self.lock().items.pop_front() {
                return item;
            }
            // `notify_one` before this wait leaves a permit, so no push is missed.
            self.pushed.notified().await;
        }
    }

    /// Items thrown away since the queue was made, because it was full.
    pub fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    /// Items waiting now.
    pub fn len(&self) -> usize {
        self.lock().items.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
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

    fn queue(capacity: usize) -> Queue<u32> {
        Queue::bounded(NonZeroUsize::new(capacity).expect("not zero"))
    }

    #[tokio::test]
    async fn a_full_queue_drops_the_oldest_and_counts_it() {
        let queue = queue(2);
        for item in 1..=5 {
            queue.push(item);
        }
        assert_eq!(queue.dropped(), 3);
        assert_eq!((queue.pop().await, queue.pop().await), (4, 5));
        assert!(queue.is_empty());
    }

    #[tokio::test]
    async fn a_push_wakes_a_waiting_pop() {
        let queue = queue(1);
        let (popped, ()) = tokio::join!(queue.pop(), async { queue.push(7) });
        assert_eq!(popped, 7);
    }

    proptest! {
        #[test]
        fn what_is_kept_and_what_is_dropped_is_all_that_was_pushed(
            capacity in 1usize..8,
            pushes in 0u32..40,
        ) {
            let queue = queue(capacity);
            (0..pushes).for_each(|item| queue.push(item));
            prop_assert!(queue.len() <= capacity);
            prop_assert_eq!(queue.len() as u64 + queue.dropped(), u64::from(pushes));
        }
    }
}
