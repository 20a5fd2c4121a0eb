//! What is under way: requests and queries, from where they begin to where they end.

use crate::SlotRef;

/// Disk requests of measured containers under way at once; when more are, the latency of the rest is
/// not measured, which is counted. A request whose end was missed leaves its entry to the next one at
/// its address, and the kernel has a fixed number of them.
pub const REQUESTS: u32 = 1 << 13;

/// DNS queries under way at once. Many are never answered, so the table drops the oldest when full.
pub const QUERIES: u32 = 1 << 12;

/// A request that was issued, or a query that was sent; the key of a request is its address.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Departure {
    /// Whom it is charged to.
    pub at: SlotRef,
    /// When, in ns of the monotonic clock; [`HANDED_BACK`] of a request that is with its driver no more.
    pub at_ns: u64,
}

/// Instead of a time: the driver had no room, and the request will be issued again.
pub const HANDED_BACK: u64 = 0;

/// What makes an answer belong to a query.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryKey {
    /// Cookie of the socket, which no two sockets share.
    pub socket: u64,
    /// The id in the DNS header.
    pub id: u64,
}

#[cfg(feature = "user")]
mod pod {
    // SAFETY: repr(C) of a pair of u32 and a u64, no padding, every bit pattern is valid.
    unsafe impl aya::Pod for super::Departure {}
    // SAFETY: repr(C) of u64 alone.
    unsafe impl aya::Pod for super::QueryKey {}
}

const _: () = assert!(size_of::<Departure>() == 16 && size_of::<QueryKey>() == 16);
