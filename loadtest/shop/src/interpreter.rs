//! One lock around all interpreted code, with CPython's rules for handing it over.
//!
//! After `Python/ceval_gil.c` (since CPython 3.2): a thread that waits for the lock longer than the switch interval asks
//! the holder to drop it; the holder looks at that request between steps, drops the lock, and does not take it again
//! until another thread has had it. Waiting threads wake up once per interval to ask, as CPython's do: an interpreter
//! with a queue makes short wake-ups that a scheduler probe sees.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A lock that is handed over in turns of at most about one interval when others wait.
#[derive(Debug)]
pub struct InterpreterLock {
    state: Mutex<State>,
    freed: Condvar,
    taken: Condvar,
    drop_asked: AtomicBool,
    switch_interval: Duration,
}

#[derive(Debug, Default)]
struct State {
    held: bool,
    /// How often the lock was taken: tells a waiter whether it changed hands meanwhile.
    takes: u64,
}

/// The right to run interpreted code; freed on drop.
#[derive(Debug)]
pub struct InterpreterGuard<'a> {
    lock: &'a InterpreterLock,
}

impl InterpreterLock {
    /// CPython's default of `sys.getswitchinterval()`.
    pub const SWITCH_INTERVAL: Duration = Duration::from_millis(5);

    /// A free lock that waiters ask for after `switch_interval`.
    #[must_use]
    pub fn new(switch_interval: Duration) -> Self {
        Self {
            state: Mutex::default(),
            freed: Condvar::new(),
            taken: Condvar::new(),
            drop_asked: AtomicBool::new(false),
            switch_interval,
        }
    }

    /// Blocks the thread until it holds the lock.
    pub fn acquire(&self) -> InterpreterGuard<'_> {
        self.take();
        InterpreterGuard { lock: self }
    }

    fn take(&self) {
        let mut state = self.lock_state();
        while state.held {
            let takes_before = state.takes;
            let (woken, wait) = self
                .freed
                .wait_timeout(state, self.switch_interval)
                .unwrap_or_else(PoisonError::into_inner);
            state = woken;
            if wait.timed_out() && state.held && state.takes == takes_before {
                self.drop_asked.store(true, Ordering::Relaxed);
            }
        }
        state.held = true;
        state.takes += 1;
        self.drop_asked.store(false, Ordering::Relaxed);
        self.taken.notify_all();
    }

    fn free(&self) {
        self.lock_state().held = false;
        self.freed.notify_one();
    }

    /// The state is two plain values that are valid at any point, so a panic elsewhere cannot spoil it.
    fn lock_state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl InterpreterGuard<'_> {
    /// Hands the lock to a waiting thread if one has asked, and blocks until it is back.
    pub fn yield_if_asked(&mut self) {
        if !self.lock.drop_asked.load(Ordering::Relaxed) {
            return;
        }
        let mut state = self.lock.lock_state();
        let takes_before = state.takes;
        state.held = false;
        self.lock.freed.notify_one();
        // The one who asked is still waiting, since only having the lock ends its wait: so this wait ends.
        while state.takes == takes_before {
            state = self
                .lock
                .taken
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        drop(state);
        self.lock.take();
    }
}

impl Drop for InterpreterGuard<'_> {
    fn drop(&mut self) {
        self.lock.free();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::time::Instant;

    use super::*;
    use crate::work::{Work, burn_under};

    const TEN_MS: Work = Work {
        cpu: Duration::from_millis(10),
        fresh_bytes: 0,
        response_bytes: 0,
    };

    #[test]
    fn one_thread_at_a_time_runs() {
        let lock = InterpreterLock::new(Duration::from_millis(1));
        let inside = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let _guard = lock.acquire();
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        assert_eq!(inside.fetch_sub(1, Ordering::SeqCst), 1);
                    }
                });
            }
        });
    }

    #[test]
    fn a_long_computation_lets_a_short_one_in() {
        let lock = InterpreterLock::new(Duration::from_millis(1));
        let long_ended = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let mut guard = lock.acquire();
            let short = scope.spawn(|| {
                let _guard = lock.acquire();
                assert!(
                    !long_ended.load(Ordering::SeqCst),
                    "had to wait for the whole of it"
                );
            });
            let deadline = Instant::now() + Duration::from_secs(30);
            while !short.is_finished() && Instant::now() < deadline {
                burn_under(&mut guard, TEN_MS);
            }
            long_ended.store(true, Ordering::SeqCst);
            drop(guard);
        });
    }
}
