//! What the agent's integration tests share: the real binary, a real gRPC server, real cgroups.

// Each test binary uses a part of this.
#![allow(dead_code, unreachable_pub)]

pub mod agent;
pub mod cgroups;
pub mod orders;
pub mod scaler;
pub mod sender;

use std::time::{Duration, Instant};

/// Longer than anything here takes on a slow, busy machine.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Measuring needs root; a test that cannot measure must not look green.
pub fn require_root() {
    assert!(
        nix::unistd::geteuid().is_root(),
        "run this test as root: it loads eBPF programs"
    );
}

/// Polls until `probe` yields something; fails with `what` after [`DEADLINE`].
pub fn eventually<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(
            start.elapsed() < DEADLINE,
            "not within {DEADLINE:?}: {what}"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}
