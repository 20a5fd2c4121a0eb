//! Bytes of payload, where sends and receives happen: in the calls of the task itself.
//!
//! So the bytes belong to the current task's container. (The socket's own cgroup is where it was
//! created, perhaps by a parent elsewhere, and version 1 trees have none.)

use aya_ebpf::{
    helpers::generated::bpf_get_current_task_btf,
    macros::{btf_tracepoint, map},
    maps::PerCpuArray,
    programs::BtfTracePointContext,
};
use ebpf_common::{NetCell, SlotRef, index};

use crate::{
    container,
    event::{record, sampled},
    read::{field, layout},
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
        && let Some(at) = caller(socket)
    {
        count_sent(at, sent as u64);
    }
    0
}

/// `sock_recv_length(sk, ret, flags)`: the same for receives. The end of a stream, 0 bytes, is none.
#[btf_tracepoint(function = "sock_recv_length")]
pub fn sock_recv_length(ctx: BtfTracePointContext) -> i32 {
    let (socket, received): (*const u8, i32) = (ctx.arg(0), ctx.arg(1));
    if received > 0
        && ctx.arg::<u64>(2) as u32 & MSG_PEEK == 0
        && let Some(at) = caller(socket)
    {
        count_received(at, received as u64);
    }
    0
}

/// The container that uses an Internet socket, if it is measured.
#[inline(always)]
fn caller(socket: *const u8) -> Option<SlotRef> {
    // SAFETY: the verifier types both pointers.
    unsafe {
        let family: u16 = field(socket, layout!(sock_family));
        if family != AF_INET && family != AF_INET6 {
            return None;
        }
        container::of_task(bpf_get_current_task_btf().cast())
    }
}

/// Counts a send, or a packet that leaves.
#[inline(always)]
pub(crate) fn count_sent(at: SlotRef, bytes: u64) {
    if !sampled(container::threshold(at, index::SENT_BYTES)) {
        return;
    }
    if let Some(cell) = NET.get_ptr_mut(at.slot) {
        // SAFETY: a cell of this CPU, and only one of two programs that write this part is attached.
        record(unsafe { &mut (*cell).sent }, bytes);
    }
}

/// Counts a receive, or a packet that arrives.
#[inline(always)]
pub(crate) fn count_received(at: SlotRef, bytes: u64) {
    if !sampled(container::threshold(at, index::RECEIVED_BYTES)) {
        return;
    }
    if let Some(cell) = NET.get_ptr_mut(at.slot) {
        // SAFETY: as for sends.
        record(unsafe { &mut (*cell).received }, bytes);
    }
}
