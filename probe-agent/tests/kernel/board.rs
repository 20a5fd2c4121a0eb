//! Numbers that a forked child and the test both see.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A page of numbers, shared with every child that is forked after it was made. Kept until the test
/// run ends: a child may outlive the test that forked it by a moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Board(&'static [AtomicU64; 16]);

impl Board {
    pub(crate) fn new() -> Self {
        // SAFETY: a new mapping at an address that the kernel chooses.
        let page = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                4096,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        assert_ne!(page, libc::MAP_FAILED, "memory for a page");
        // SAFETY: a page of zeros, which are valid numbers, aligned, never unmapped, and reached
        // through atomics alone.
        Self(unsafe { &*page.cast::<[AtomicU64; 16]>() })
    }

    pub(crate) fn get(self, place: usize) -> u64 {
        self.0[place].load(Ordering::SeqCst)
    }

    pub(crate) fn set(self, place: usize, value: u64) {
        self.0[place].store(value, Ordering::SeqCst);
    }

    /// Adds; for children that share a place.
    pub(crate) fn add(self, place: usize, value: u64) {
        self.0[place].fetch_add(value, Ordering::SeqCst);
    }

    /// Waits until a number is set, for at most ten seconds; says whether it was. Never panics: it is
    /// for the work of forked children.
    pub(crate) fn wait(self, place: usize) -> bool {
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.get(place) == 0 {
            if Instant::now() > deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        true
    }
}
