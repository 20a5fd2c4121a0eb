//! Bytes of payload, where sends and receives happen: in the calls of the task itself.
//!
//! So the bytes belong to the current task's container. (The socket's own cgroup is where it was
//! created, perhaps by a parent elsewhere, and version 1 trees have none.)

use aya_ebpf::{
    macros::{btf_tracepoint, map},
    maps::PerCpuArray,
    programs::BtfTracePointContext,
};
use ebpf_common::{NetCell, index};

use crate::{
    event::{record, sampled},
    read::{field, layout},
    stint::{self, Current},
};

const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

/// A receive that leaves the bytes where they are, to be received again.
const MSG_PEEK: u32 = 2;

#[map]
static NET: PerCpuArray<NetCell> = PerCpuArray::with_max_entries(1, 0);

/// `sock_send_length(sk, ret, flags)`: one send call of any socket is over; `ret` bytes of payload
/// were taken, or it is an error. Kernel 6.3 and later.
#[btf_tracepoint(function = "sock_send_length")]
pub fn sock_send_length(ctx: BtfTracePointContext) -> i32 {
    let (socket, sent): (*const u8, i32) = (ctx.arg(0), ctx.arg(1));
    if sent >= 0
        && let Some(by) = caller(socket)
    {
        count_sent(by.slot, by.config.thresholds[index::SENT_BYTES], sent as u64);
    }
    0
}

/// `sock_recv_length(sk, ret, flags)`: the same for receives. The end of a stream, 0 bytes, is none.
#[btf_tracepoint(function = "sock_recv_length")]
pub fn sock_recv_length(ctx: BtfTracePointContext) -> i32 {
    let (socket, received): (*const u8, i32) = (ctx.arg(0), ctx.arg(1));
    if received > 0
        && ctx.arg::<u64>(2) as u32 & MSG_PEEK == 0
        && let Some(by) = caller(socket)
    {
        let threshold = by.config.thresholds[index::RECEIVED_BYTES];
        count_received(by.slot, threshold, received as u64);
    }
    0
}

/// The container that uses an Internet socket, if it is measured.
#[inline(always)]
fn caller(socket: *const u8) -> Option<Current> {
    // SAFETY: a pointer that the verifier types.
    let family: u16 = unsafe { field(socket, layout!(sock_family)) };
    if family != AF_INET && family != AF_INET6 {
        return None;
    }
    stint::current()
}

/// Counts a send, or a packet that leaves.
#[inline(always)]
pub(crate) fn count_sent(slot: u32, threshold: u32, bytes: u64) {
    if !sampled(threshold) {
        return;
    }
    if let Some(cell) = NET.get_ptr_mut(slot) {
        // SAFETY: a cell of this CPU, and only one of two programs that write this part is attached.
        record(unsafe { &mut (*cell).sent }, bytes);
    }
}

/// Counts a receive, or a packet that arrives.
#[inline(always)]
pub(crate) fn count_received(slot: u32, threshold: u32, bytes: u64) {
    if !sampled(threshold) {
        return;
    }
    if let Some(cell) = NET.get_ptr_mut(slot) {
        // SAFETY: as for sends.
        record(unsafe { &mut (*cell).received }, bytes);
    }
}
