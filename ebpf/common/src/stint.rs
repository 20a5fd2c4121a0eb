//! A task's time on a CPU, from when it is switched in to when it is switched out.

use crate::SlotRef;

/// The measured task that is on a CPU.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stint {
    /// Whom its events belong to.
    pub at: SlotRef,
    /// `sum_exec_runtime` up to which time on CPU has been counted, ns.
    pub exec_runtime: u64,
    /// `run_delay` up to which waiting has been counted, ns.
    pub run_delay: u64,
    /// Page faults up to which those in user mode have been counted, and one more for each that was taken in
    /// kernel mode since.
    pub faults: u64,
    /// Its address; 0 when the task on this CPU is not measured.
    pub task: u64,
    /// Its id.
    pub pid: u32,
    /// 1 when the wait before this stint has been counted already, by a flush.
    pub wait_counted: u32,
}

impl Stint {
    /// Of nobody.
    pub const NONE: Self = Self {
        at: SlotRef {
            slot: 0,
            generation: 0,
        },
        exec_runtime: 0,
        run_delay: 0,
        faults: 0,
        task: 0,
        pid: 0,
        wait_counted: 0,
    };
}

#[cfg(feature = "user")]
// SAFETY: repr(C) of pairs of u32 and of u64, no padding, every bit pattern is valid.
unsafe impl aya::Pod for Stint {}

const _: () = assert!(size_of::<Stint>() == 48);
