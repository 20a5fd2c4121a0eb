//! Which of several scalers leads, by a Lease, in the manner of client-go.
//!
//! ```text
//!            ┌────────── every half second (standby) or second (leader) ──────────┐
//!            ▼                                                                    │
//!  Lease ─▶ record ─▶ candidate (pure: whose turn is it?) ─▶ GET / POST / PUT ────┘
//!                         └─▶ Standing: Leader { term, until } or Standby { who leads, where }
//!                                 ├─▶ apply::Leadership   asked before each write
//!                                 ├─▶ ingest              agents are kept, or told who leads
//!                                 └─▶ parts (lead)        the controller, for this term only
//! ```
//!
//! | module | what |
//! |---|---|
//! | [`record`] | the Lease's fields that matter, and back |
//! | [`candidate`] | when to read, renew, take over or wait. No I/O, no clock |
//! | [`task`] | the requests, with their timeouts |
//! | [`runtime`] | the thread that it has for itself |
//! | [`boot_time`] | the clock of leases |
//!
//! Invariants:
//! - **No wall clock decides.** As in client-go, a standby takes over once the record has not
//!   changed for the record's own duration, on the standby's clock. `renewTime` is written for
//!   people only.
//! - **The leader's deadline is earlier than anybody's takeover.** It counts from *before* the
//!   renewal was sent, for less than the lease's duration; a standby counts the whole duration from
//!   *after* it was written. Clocks may differ in rate by [`Timing::renew_deadline`] over
//!   [`Timing::duration`], not in value.
//! - **A write is a compare-and-swap.** Every PUT carries the `resourceVersion` that was read, so of
//!   two candidates one gets 409.
//!
//! Why not a crate: `kube-lease-manager` 0.12 needs kube 4 (its `Client` is another type), compares
//! wall clocks ("tolerates a configurable skew"), and gives a `bool` without a deadline, which a
//! process that was paused would believe; `kubert`'s lease has the same two properties. client-go's
//! rules are 150 lines here, pure, and hold the address at which agents find the leader.

pub mod boot_time;
pub mod candidate;
mod identity;
pub mod record;
pub mod runtime;
pub mod task;

use std::time::Duration;

use thiserror::Error;

pub use candidate::{Candidate, Standing};
pub use identity::identity;
pub use record::Record;
pub use runtime::{Pulse, Runtime, RuntimeError, UnderWay};
pub use task::{Election, Outcome, Place};

/// The name of the Lease unless told otherwise.
pub const DEFAULT_LEASE: &str = "viperscale-scaler";

/// How fast leadership moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// A lease that is not renewed for this long may be taken. Whole seconds, as the API has them.
    pub duration: Duration,
    /// The leader stops writing this long after its last successful renewal was sent.
    pub renew_deadline: Duration,
    /// The leader renews this often.
    pub renew_every: Duration,
    /// A standby looks this often.
    pub look_every: Duration,
    /// One request; a later answer counts as none.
    pub request_timeout: Duration,
}

impl Default for Timing {
    /// A standby takes over 3 to 3.6 s after the leader was killed, which leaves a second and a half
    /// of the five for agents and the first decision. client-go's 15 s are for controllers that
    /// nobody waits for; the price here is four requests a second for two scalers.
    fn default() -> Self {
        Timing {
            duration: Duration::from_secs(3),
            renew_deadline: Duration::from_millis(2600),
            renew_every: Duration::from_millis(700),
            look_every: Duration::from_millis(500),
            request_timeout: Duration::from_millis(800),
        }
    }
}

/// A timing that would let two lead, or nobody.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("--lease-seconds {given}: expected 3 to 60 seconds")]
pub struct BadTiming {
    given: u64,
}

impl Timing {
    /// The default's proportions for another lease duration.
    ///
    /// # Errors
    /// Below 3 s one slow answer would end a leadership; above 60 s nobody decides for too long.
    pub fn for_lease(seconds: u64) -> Result<Self, BadTiming> {
        if !(3..=60).contains(&seconds) {
            return Err(BadTiming { given: seconds });
        }
        let standard = Timing::default();
        // At most 60, by the check above.
        let times = u32::try_from(seconds).unwrap_or(u32::MAX);
        let share = |part: Duration| part * times / 3;
        Ok(Timing {
            duration: share(standard.duration),
            renew_deadline: share(standard.renew_deadline),
            renew_every: share(standard.renew_every),
            look_every: share(standard.look_every).min(Duration::from_secs(2)),
            request_timeout: share(standard.request_timeout).min(Duration::from_secs(5)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leader_gives_up_before_anybody_takes_over_and_survives_a_lost_answer() {
        for seconds in 3..=60 {
            let timing = Timing::for_lease(seconds).unwrap();
            assert!(timing.renew_deadline < timing.duration, "{timing:?}");
            let with_one_lost = timing.renew_every * 2 + timing.request_timeout;
            assert!(with_one_lost < timing.renew_deadline, "{timing:?}");
        }
        assert_eq!(Timing::for_lease(3), Ok(Timing::default()));
        assert_eq!(Timing::for_lease(2), Err(BadTiming { given: 2 }));
        assert_eq!(
            Timing::for_lease(61).unwrap_err().to_string(),
            "--lease-seconds 61: expected 3 to 60 seconds"
        );
    }

    #[test]
    fn the_default_hands_over_within_the_goal() {
        let timing = Timing::default();
        // The record changed just before the kill, a look just before it expired.
        let worst = timing.duration + timing.look_every.mul_f64(1.2) + timing.request_timeout;
        assert!(worst < Duration::from_secs(5), "{worst:?}");
    }
}
