//! What the programs count. Each cell belongs to one container and one CPU, so plain additions do;
//! cells only grow, and the agent zeroes them when it gives a slot to a new container.

/// Buckets of a distribution. The last also holds everything larger: 2^39 ns are nine minutes.
pub const BUCKETS: usize = 40;

/// Count, sum and log2 histogram of values.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Distribution {
    /// Number of values.
    pub count: u64,
    /// Their sum, in the metric's unit.
    pub sum: u64,
    /// By [`log2_bucket`].
    pub buckets: [u64; BUCKETS],
}

impl Distribution {
    /// Nothing seen.
    pub const ZERO: Self = Self {
        count: 0,
        sum: 0,
        buckets: [0; BUCKETS],
    };
}

/// Numbers of events that have no value, by the places in [`counter`](crate::counter).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountsCell {
    /// Recorded events since the slot was zeroed; subject to sampling.
    pub events: [u64; COUNTERS],
}

/// Places in [`CountsCell::events`]. One cell for all of them, so that the agent reads it with one
/// system call; each place has one program that writes it.
pub mod counter {
    /// Page faults taken in kernel mode.
    pub const KERNEL_PAGE_FAULTS: usize = 0;
    /// Flushes of the translation look-aside buffer.
    pub const TLB_FLUSHES: usize = 1;
    /// TCP segments sent again.
    pub const TCP_RETRANSMITS: usize = 2;
    /// SYN/ACKs sent again.
    pub const TCP_SYNACK_RETRANSMITS: usize = 3;
    /// TCP packets dropped.
    pub const TCP_DROPS: usize = 4;
}

/// Places in [`CountsCell::events`].
pub const COUNTERS: usize = 5;

impl CountsCell {
    /// Nothing seen.
    pub const ZERO: Self = Self {
        events: [0; COUNTERS],
    };
}

/// Bytes through sockets, as payload or as packets.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetCell {
    /// By send, or by packet that left.
    pub sent: Distribution,
    /// By receive, or by packet that arrived.
    pub received: Distribution,
}

impl NetCell {
    /// Nothing seen.
    pub const ZERO: Self = Self {
        sent: Distribution::ZERO,
        received: Distribution::ZERO,
    };
}

/// Requests to block devices.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskCell {
    /// Bytes of each request, when it was issued to the device.
    pub sizes: Distribution,
    /// From issue to completion, ns, when it was complete.
    pub latencies: Distribution,
}

impl DiskCell {
    /// Nothing seen.
    pub const ZERO: Self = Self {
        sizes: Distribution::ZERO,
        latencies: Distribution::ZERO,
    };
}

/// Use of the page cache, in pages, and what the programs remember from one event to the next.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheCell {
    /// Pages of files that were asked for; subject to sampling, as are the next two.
    pub accessed: u64,
    /// Pages that were put into the cache.
    pub added: u64,
    /// Those among them that were written as a whole instead of read from the device.
    pub written: u64,
    /// The last access: its `address_space`.
    pub mapping: u64,
    /// The last access: its first page.
    pub first: u64,
    /// The last access: its last page.
    pub last: u64,
    /// The last access: the thread's id.
    pub task: u32,
    /// The last access: [`access`](crate::access).
    pub kind: u32,
    /// The folio that was added last and may yet turn out to be a write's; 0 for none.
    pub pending: u64,
    /// As how many pages it was recorded.
    pub pending_pages: u64,
}

/// Kinds of access to the page cache, in [`CacheCell::kind`].
pub mod access {
    /// None yet, or none that the next one could belong to.
    pub const NONE: u32 = 0;
    /// `read` and its kin.
    pub const READ: u32 = 1;
    /// A fault on a mapped page that was not mapped yet.
    pub const FAULT: u32 = 2;
    /// A fault that mapped what the cache had around the page.
    pub const MAPPED: u32 = 3;
}

impl CacheCell {
    /// Nothing seen.
    pub const ZERO: Self = Self {
        accessed: 0,
        added: 0,
        written: 0,
        mapping: 0,
        first: 0,
        last: 0,
        task: 0,
        kind: access::NONE,
        pending: 0,
        pending_pages: 0,
    };
}

/// Events that could not be followed to their end, because a table was full. One cell for the node.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LostCell {
    /// Disk requests whose issue was not noted, or whose end was not seen.
    pub requests: u64,
    /// DNS queries that were not noted.
    pub queries: u64,
}

/// What the scheduler hook counts, and page faults where another hook has to.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchedCell {
    /// Time on this CPU, ns.
    pub on_cpu_ns: u64,
    /// Time runnable and not running, ns. Never sampled, unlike `waits`.
    pub wait_ns: u64,
    /// Switch-outs of tasks that blocked.
    pub voluntary: u64,
    /// Switch-outs of tasks that stayed runnable.
    pub involuntary: u64,
    /// Page faults taken in user mode; subject to sampling.
    pub user_faults: u64,
    /// Wait before each stint on a CPU, ns; subject to sampling.
    pub waits: Distribution,
}

impl SchedCell {
    /// Nothing seen.
    pub const ZERO: Self = Self {
        on_cpu_ns: 0,
        wait_ns: 0,
        voluntary: 0,
        involuntary: 0,
        user_faults: 0,
        waits: Distribution::ZERO,
    };
}

#[cfg(feature = "user")]
mod pod {
    // SAFETY: repr(C) of u64 alone, no padding, every bit pattern is valid.
    unsafe impl aya::Pod for super::Distribution {}
    // SAFETY: as above.
    unsafe impl aya::Pod for super::CountsCell {}
    // SAFETY: as above.
    unsafe impl aya::Pod for super::SchedCell {}
    // SAFETY: as above.
    unsafe impl aya::Pod for super::NetCell {}
    // SAFETY: as above.
    unsafe impl aya::Pod for super::DiskCell {}
    // SAFETY: repr(C) of u64 and of pairs of u32, no padding, every bit pattern is valid.
    unsafe impl aya::Pod for super::CacheCell {}
    // SAFETY: repr(C) of u64 alone.
    unsafe impl aya::Pod for super::LostCell {}
}
