//! What the measuring thread is told, from other threads.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::plan::Plan;

/// A mailbox that holds at most one order of each kind: a newer plan replaces one that was not yet
/// taken, and a second request to scan changes nothing. So it is bounded and posting never blocks.
#[derive(Debug, Default)]
pub struct Orders {
    pending: Mutex<Pending>,
    posted: Condvar,
}

/// The orders that were waiting.
#[derive(Debug, Default)]
pub struct Pending {
    /// What to measure from now on; `None` inside: nothing, and no reports either, because no
    /// scaler has been seen for too long.
    pub plan: Option<Option<Plan>>,
    /// A cgroup came or went.
    pub rescan: bool,
    /// Detach everything and end.
    pub stop: bool,
}

impl Orders {
    /// Replaces the plan.
    pub fn follow(&self, plan: Plan) {
        self.post(|pending| pending.plan = Some(Some(plan)));
    }

    /// Ends measuring until the next plan.
    pub fn release(&self) {
        self.post(|pending| pending.plan = Some(None));
    }

    /// Asks for a scan.
    pub fn rescan(&self) {
        self.post(|pending| pending.rescan = true);
    }

    /// Ends the measuring thread.
    pub fn stop(&self) {
        self.post(|pending| pending.stop = true);
    }

    /// Takes what is waiting, after waiting until there is something or `deadline` has come;
    /// without a deadline, as long as it takes.
    pub fn take(&self, deadline: Option<Instant>) -> Pending {
        let mut pending = self.lock();
        while pending.is_empty() {
            match deadline {
                None => {
                    pending = self
                        .posted
                        .wait(pending)
                        .unwrap_or_else(PoisonError::into_inner);
                }
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        break;
                    }
                    let waited = self.posted.wait_timeout(pending, left);
                    pending = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        }
        std::mem::take(&mut *pending)
    }

    fn post(&self, change: impl FnOnce(&mut Pending)) {
        change(&mut self.lock());
        self.posted.notify_one();
    }

    /// Each order is a single assignment, so a poisoned lock still guards whole orders.
    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.plan.is_none() && !self.rescan && !self.stop
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::plan::{DEFAULT_INTERVAL, Selection};

    fn plan(revision: u64) -> Plan {
        Plan {
            revision,
            interval: DEFAULT_INTERVAL,
            selection: Selection::NOTHING,
        }
    }

    #[test]
    fn the_newest_plan_wins() {
        let orders = Orders::default();
        orders.follow(plan(1));
        orders.rescan();
        orders.follow(plan(2));
        let taken = orders.take(None);
        assert!(taken.rescan && !taken.stop);
        assert_eq!(taken.plan.flatten().expect("a plan").revision, 2);
        assert!(
            orders.take(Some(Instant::now())).plan.is_none(),
            "taken once"
        );
    }

    #[test]
    fn a_post_ends_the_wait_and_a_deadline_does_too() {
        let orders = Arc::new(Orders::default());
        let poster = Arc::clone(&orders);
        let thread = std::thread::spawn(move || poster.stop());
        assert!(orders.take(None).stop);
        thread.join().expect("posted");
        let nothing = orders.take(Some(Instant::now() + Duration::from_millis(1)));
        assert!(nothing.is_empty());
    }
}
