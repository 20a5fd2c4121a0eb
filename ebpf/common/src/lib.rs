#![no_std]
//! What the kernel programs and the agent agree on: keys, values and configuration, byte by byte.
//!
//! ```text
//!  CGROUPS  hash           cgroup id ─▶ SlotRef            written by the agent only
//!  CONFIG   array          slot      ─▶ ContainerConfig    written by the agent only
//!  LAYOUT   read-only data              Layout             written by the agent before loading
//!  SCHED    per-CPU array  slot      ─▶ SchedCell          added to by the programs only
//!  FAULTS   per-CPU array  slot      ─▶ CountCell
//!  SENT     per-CPU array  slot      ─▶ Distribution
//! ```
//!
//! A new metric needs an index in [`index`], a map of cells, and a program that fills it; nothing
//! that exists changes.

mod cells;
mod config;
mod layout;

pub use cells::{BUCKETS, CountCell, Distribution, SchedCell, log2_bucket};
pub use config::{ALWAYS, ContainerConfig, METRICS, NEVER, SlotRef, index};
pub use layout::Layout;

/// Entries of the ledger of waits (see the scheduler program), a power of two. With a process id of
/// at most 22 bits (the kernel's limit) the rest of the id fits into a tag of 8 bits.
pub const LEDGER_ENTRIES: u32 = 1 << 14;

/// Names of the maps and of the read-only global, as the object file has them.
pub mod names {
    /// Cgroup id to [`SlotRef`](super::SlotRef).
    pub const CGROUPS: &str = "CGROUPS";
    /// Slot to [`ContainerConfig`](super::ContainerConfig).
    pub const CONFIG: &str = "CONFIG";
    /// Slot to [`SchedCell`](super::SchedCell), per CPU.
    pub const SCHED: &str = "SCHED";
    /// Slot to [`CountCell`](super::CountCell), per CPU.
    pub const FAULTS: &str = "FAULTS";
    /// Slot to [`Distribution`](super::Distribution), per CPU.
    pub const SENT: &str = "SENT";
    /// Process id to the wait it had at its last switch-out; mapped into the agent.
    pub const LEDGER: &str = "LEDGER";
    /// The [`Layout`](super::Layout).
    pub const LAYOUT: &str = "LAYOUT";
}
