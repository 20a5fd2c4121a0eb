//! Whether this process may write.

use std::time::Duration;

use scaler_core::Timestamp;
use tokio::sync::watch;

/// The right to write, for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lead {
    /// Which leadership this is: it grows with each change of the leader.
    pub term: u64,
    /// Until when nobody else can have taken over, on the clock that [`Leadership`] asks.
    pub until: Timestamp,
}

/// Tells whether this process leads; asked before each write.
///
/// Whoever runs leader election holds the sender. Three things end a leadership, whichever comes
/// first: the election says so, its task dies (then the sender is gone), or the lease's own deadline
/// passes. The last one needs nobody to run: a process that was stopped, starved or swapped out for
/// longer than its lease finds on waking that it may not write, before any task of it has had its
/// turn.
#[derive(Debug, Clone)]
pub struct Leadership {
    lead: watch::Receiver<Option<Lead>>,
    now: fn() -> Timestamp,
    /// Keeps the channel of [`Leadership::always`] open.
    _permanent: Option<std::sync::Arc<watch::Sender<Option<Lead>>>>,
}

impl Leadership {
    /// For a scaler that is the only one of its cluster.
    pub fn always() -> Self {
        let forever = Lead {
            term: 0,
            until: Timestamp::new(Duration::MAX),
        };
        let (sender, lead) = watch::channel(Some(forever));
        Leadership {
            lead,
            now: Timestamp::default,
            _permanent: Some(std::sync::Arc::new(sender)),
        }
    }

    /// Leads while `lead` says so, its sender lives and `now` is before its deadline.
    pub fn elected(lead: watch::Receiver<Option<Lead>>, now: fn() -> Timestamp) -> Self {
        Leadership {
            lead,
            now,
            _permanent: None,
        }
    }

    /// Whether a write is allowed now.
    pub fn is_leader(&self) -> bool {
        self.lasts(Duration::ZERO)
    }

    /// Whether a write that takes up to `time` may begin now: it is over before anybody else may
    /// write.
    pub fn lasts(&self, time: Duration) -> bool {
        let lead = *self.lead.borrow();
        self.lead.has_changed().is_ok()
            && lead.is_some_and(|lead| (self.now)().after(time) < lead.until)
    }

    /// The leadership that holds now.
    pub fn term(&self) -> Option<u64> {
        self.is_leader()
            .then(|| self.lead.borrow().map(|lead| lead.term))
            .flatten()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        static NOW: Cell<u64> = const { Cell::new(0) };
    }

    fn now() -> Timestamp {
        Timestamp::from_secs(NOW.get())
    }

    fn until(seconds: u64) -> Option<Lead> {
        Some(Lead {
            term: 3,
            until: Timestamp::from_secs(seconds),
        })
    }

    #[test]
    fn leadership_ends_with_its_election() {
        assert!(Leadership::always().clone().is_leader());
        let (election, lead) = watch::channel(None);
        let leadership = Leadership::elected(lead, now);
        assert!(!leadership.is_leader());
        election.send_replace(until(10));
        assert_eq!((leadership.is_leader(), leadership.term()), (true, Some(3)));
        drop(election);
        assert!(!leadership.is_leader(), "nobody renews the lease any more");
    }

    #[test]
    fn a_process_that_slept_through_its_lease_may_not_write() {
        let (_election, lead) = watch::channel(until(10));
        let leadership = Leadership::elected(lead, now);
        NOW.set(9);
        assert!(leadership.is_leader());
        assert!(
            !leadership.lasts(Duration::from_secs(2)),
            "it would end after the lease"
        );
        NOW.set(10);
        assert!(!leadership.is_leader(), "though no task has noticed yet");
        assert_eq!(leadership.term(), None);
    }
}
