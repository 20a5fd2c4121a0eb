#![no_std]
//! What the kernel programs and the agent agree on: keys, values and configuration, byte by byte.
//!
//! ```text
//!  CGROUPS   hash           cgroup id ─▶ SlotRef           written by the agent only
//!  DISK_IDS  hash           cgroup id ─▶ SlotRef           the same for block devices, if they differ
//!  CONFIG    array          slot      ─▶ ContainerConfig   written by the agent only
//!  LAYOUT    read-only data              Layout            written by the agent before loading
//!  SCHED     per-CPU array  slot      ─▶ SchedCell         added to by the programs only
//!  COUNTS    per-CPU array  slot      ─▶ CountsCell
//!  CACHE     per-CPU array  slot      ─▶ CacheCell
//!  DISK      per-CPU array  slot      ─▶ DiskCell
//!  NET       per-CPU array  slot      ─▶ NetCell
//!  DNS       per-CPU array  slot      ─▶ Distribution
//!  REQUESTS  hash           address   ─▶ Departure         by the programs; full: counted in LOST
//!  QUERIES   LRU hash       QueryKey  ─▶ Departure         by the programs; drops the oldest
//!  LOST      per-CPU array  0         ─▶ LostCell
//!  STINT     per-CPU array  0         ─▶ Stint             by the scheduler's programs
//! ```
//!
//! A new metric needs an index in [`index`], a place in a cell, and a program that fills it; nothing
//! that exists changes.

mod cells;
mod config;
mod flight;
mod layout;
mod log2;
mod stint;

pub use cells::{
    BUCKETS, COUNTERS, CacheCell, CountsCell, DiskCell, Distribution, LostCell, NetCell, SchedCell,
    access, counter,
};
pub use config::{ALWAYS, ContainerConfig, METRICS, NEVER, SlotRef, index};
pub use flight::{Departure, HANDED_BACK, QUERIES, QueryKey, REQUESTS};
pub use layout::Layout;
pub use log2::log2_bucket;
pub use stint::Stint;

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
    /// Slot to [`CountsCell`](super::CountsCell), per CPU.
    pub const COUNTS: &str = "COUNTS";
    /// Slot to [`CacheCell`](super::CacheCell), per CPU.
    pub const CACHE: &str = "CACHE";
    /// Slot to [`DiskCell`](super::DiskCell), per CPU.
    pub const DISK: &str = "DISK";
    /// Slot to [`NetCell`](super::NetCell), per CPU.
    pub const NET: &str = "NET";
    /// Slot to [`Distribution`](super::Distribution), per CPU.
    pub const DNS: &str = "DNS";
    /// The same as `CGROUPS` by the ids that block devices know.
    pub const DISK_IDS: &str = "DISK_IDS";
    /// Address of a request to [`Departure`](super::Departure).
    pub const REQUESTS: &str = "REQUESTS";
    /// [`QueryKey`](super::QueryKey) to [`Departure`](super::Departure).
    pub const QUERIES: &str = "QUERIES";
    /// 0 to [`LostCell`](super::LostCell), per CPU.
    pub const LOST: &str = "LOST";
    /// 0 to [`Stint`](super::Stint), per CPU.
    pub const STINT: &str = "STINT";
    /// Process id to the wait it had at its last switch-out; mapped into the agent.
    pub const LEDGER: &str = "LEDGER";
    /// The [`Layout`](super::Layout).
    pub const LAYOUT: &str = "LAYOUT";
}
