//! What the agent tells the programs.

/// Metrics that a configuration has room for; fourteen are in use.
pub const METRICS: usize = 15;

/// A threshold that records nothing: the metric is off.
pub const NEVER: u32 = 0;

/// A threshold that records every event without drawing a random number.
pub const ALWAYS: u32 = u32::MAX;

/// Places of the metrics in [`ContainerConfig::thresholds`].
pub mod index {
    /// Time on CPU, and with it time off CPU, which the agent derives from it.
    pub const ON_CPU_TIME: usize = 0;
    /// Waits for a CPU.
    pub const RUNQ_LATENCY: usize = 1;
    /// Page faults taken in user mode.
    pub const USER_PAGE_FAULTS: usize = 2;
    /// Bytes sent by sockets.
    pub const SENT_BYTES: usize = 3;
    /// Pages asked of the page cache, and pages that had to be put there.
    pub const PAGE_CACHE: usize = 4;
    /// Page faults taken in kernel mode.
    pub const KERNEL_PAGE_FAULTS: usize = 5;
    /// Flushes of the translation look-aside buffer.
    pub const TLB_FLUSHES: usize = 6;
    /// Sizes of disk requests.
    pub const DISK_IO_SIZE: usize = 7;
    /// Latencies of disk requests.
    pub const DISK_IO_LATENCY: usize = 8;
    /// Bytes received by sockets.
    pub const RECEIVED_BYTES: usize = 9;
    /// TCP segments sent again.
    pub const TCP_RETRANSMITS: usize = 10;
    /// SYN/ACKs sent again.
    pub const TCP_SYNACK_RETRANSMITS: usize = 11;
    /// TCP packets dropped.
    pub const TCP_DROPS: usize = 12;
    /// Latencies of DNS queries.
    pub const DNS_LATENCY: usize = 13;
}

/// What is measured of the container in one slot.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContainerConfig {
    /// Which tenant of the slot this is; see [`SlotRef::generation`].
    pub generation: u32,
    /// By metric: [`NEVER`], [`ALWAYS`], or the event is recorded if a random `u32` is below it.
    pub thresholds: [u32; METRICS],
}

impl ContainerConfig {
    /// Measures nothing, for nobody.
    pub const OFF: Self = Self {
        generation: 0,
        thresholds: [NEVER; METRICS],
    };
}

/// Where the events of a cgroup go. Eight bytes, read at once, so that a reader sees an old or a
/// new value and no mixture.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotRef {
    /// Index into the arrays of configurations and cells.
    pub slot: u32,
    /// Number of the slot's tenant, from 1. A task can be on a CPU while its container is removed
    /// and the slot is given to another; its stint then carries the old number and is not counted.
    pub generation: u32,
}

#[cfg(feature = "user")]
mod pod {
    // SAFETY: repr(C) of u32 alone, no padding, every bit pattern is valid.
    unsafe impl aya::Pod for super::ContainerConfig {}
    // SAFETY: as above.
    unsafe impl aya::Pod for super::SlotRef {}
}

const _: () = assert!(size_of::<ContainerConfig>() == 64 && size_of::<SlotRef>() == 8);
