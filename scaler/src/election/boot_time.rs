//! The clock of leases: time since this machine booted, including what it slept through.
//!
//! `std::time::Instant` stands still while a machine is suspended, and a lease does not: a scaler on
//! a laptop or on a virtual machine that was suspended would wake up believing that it leads.
//! `CLOCK_BOOTTIME` goes on. A virtual machine that was paused from outside stops every clock it
//! has; for that remains the API server's own check of the version that each write carries.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use scaler_core::Timestamp;

/// This moment. Never goes back, whatever happens to the wall clock.
pub fn now() -> Timestamp {
    // Linux has had this clock since 2.6.39; it fails for a bad clock id only. The last moment that
    // can be told is then the safe answer: every lease has ended by then.
    let since_boot = clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::MAX, Duration::from);
    Timestamp::new(since_boot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_forward_at_the_pace_of_time() {
        let (before, started) = (now(), std::time::Instant::now());
        std::thread::sleep(Duration::from_millis(20));
        let passed = now().since(before);
        assert!(passed >= Duration::from_millis(20) && passed <= started.elapsed() * 2);
    }
}
