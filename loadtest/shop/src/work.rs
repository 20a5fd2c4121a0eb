//! The work of a request: CPU time that is really used, memory that is really touched.

use std::hint::black_box;
use std::time::Duration;

use memmap2::{Advice, MmapMut};
use nix::time::{ClockId, clock_gettime};

use crate::interpreter::InterpreterGuard;

/// Bytes between two touches: the smallest page of any supported architecture, so that every page is touched.
const PAGE_BYTES: usize = 4096;

/// Steps of arithmetic between two looks at the clock: a few microseconds, so that an answer overshoots by as little.
const STEPS_PER_LOOK: u32 = 1_000;

/// What one request costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// CPU time of the thread that does it, page faults included.
    pub cpu: Duration,
    /// Bytes of memory mapped anew and written once: a user page fault for each page of 4 KiB.
    pub fresh_bytes: usize,
    /// The answer is padded to at least this many bytes.
    pub response_bytes: usize,
}

impl Work {
    /// The same with CPU time and fresh memory multiplied by `factor`.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        Self {
            cpu: self.cpu.mul_f64(factor),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss
            )]
            fresh_bytes: (self.fresh_bytes as f64 * factor) as usize,
            ..self
        }
    }
}

/// CPU time that the calling thread has used so far.
///
/// The only clock that makes work mean the same on a busy machine as on an idle one: it stands still while the thread
/// waits for a CPU, whether behind other threads or behind its quota.
#[must_use]
pub fn thread_cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)
        .expect("Linux has had this clock since 2.6.12 and it takes no privilege")
        .into()
}

/// Uses the CPU and the memory that `work` says, on the calling thread.
pub fn burn(work: Work) {
    burn_with(work, || {});
}

/// As [`burn`], under the interpreter: lets another thread in whenever one has asked for the lock.
pub fn burn_under(guard: &mut InterpreterGuard<'_>, work: Work) {
    burn_with(work, || guard.yield_if_asked());
}

fn burn_with(work: Work, mut between: impl FnMut()) {
    let start = thread_cpu_time();
    touch_fresh_memory(work.fresh_bytes);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    while thread_cpu_time().saturating_sub(start) < work.cpu {
        for _ in 0..STEPS_PER_LOOK {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
        }
        state = black_box(state);
        between();
    }
}

/// Maps, writes once per page, and unmaps.
fn touch_fresh_memory(bytes: usize) {
    if bytes == 0 {
        return;
    }
    // No memory, no faults: the request goes on, as a runtime's would that reuses its heap.
    let Ok(mut fresh) = MmapMut::map_anon(bytes) else {
        return;
    };
    // A huge page would turn 512 faults into one. Kernels without huge pages refuse the advice, rightly.
    let _ = fresh.advise(Advice::NoHugePage);
    for page in fresh.chunks_mut(PAGE_BYTES) {
        page[0] = 1;
    }
    black_box(&mut fresh[..]);
}
