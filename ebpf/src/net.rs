//! Network: bytes sent, as payload where the kernel tells, else as packets.

use aya_ebpf::{
    EbpfContext,
    helpers::generated::{bpf_get_current_task_btf, bpf_skb_cgroup_id},
    macros::{btf_tracepoint, cgroup_skb, map},
    maps::PerCpuArray,
    programs::{BtfTracePointContext, SkBuffContext},
};
use ebpf_common::{Distribution, SlotRef, index};

use crate::{
    container,
    event::{record, sampled},
    read::{field, layout},
};

const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

/// What [`cgroup_egress`] returns to let the packet go. It never drops one.
const PASS: i32 = 1;

#[map]
static SENT: PerCpuArray<Distribution> = PerCpuArray::with_max_entries(1, 0);

/// `sock_send_length(sk, ret, flags)`: one send call of any socket is over; `ret` bytes of payload
/// were taken, or it is an error. Kernel 6.3 and later.
///
/// Sending is done by the task itself, so the bytes belong to the current task's container. (The
/// socket's own cgroup is where it was created, perhaps by a parent elsewhere, and version 1 trees
/// have none.)
#[btf_tracepoint(function = "sock_send_length")]
pub fn sock_send_length(ctx: BtfTracePointContext) -> i32 {
    let socket: *const u8 = ctx.arg(0);
    let sent: i32 = ctx.arg(1);
    if sent < 0 {
        return 0;
    }
    // SAFETY: the verifier types both pointers.
    let container = unsafe {
        let family: u16 = field(socket, layout!(sock_family));
        if family != AF_INET && family != AF_INET6 {
            return 0;
        }
        container::of_task(bpf_get_current_task_btf().cast())
    };
    if let Some(at) = container {
        count(at, sent as u64);
    }
    0
}

/// The degraded way: every packet that leaves through the version 2 root, headers included.
#[cgroup_skb(egress)]
pub fn cgroup_egress(ctx: SkBuffContext) -> i32 {
    // SAFETY: the context is the packet that the helper wants; it gives 0 when there is no socket.
    let cgroup = unsafe { bpf_skb_cgroup_id(ctx.as_ptr().cast()) };
    if let Some(at) = container::of_cgroup(cgroup) {
        count(at, u64::from(ctx.len()));
    }
    PASS
}

#[inline(always)]
fn count(at: SlotRef, bytes: u64) {
    let Some(config) = container::config(at) else {
        return;
    };
    if !sampled(config.thresholds[index::SENT_BYTES]) {
        return;
    }
    if let Some(cell) = SENT.get_ptr_mut(at.slot) {
        // SAFETY: a cell of this CPU, and only one of the two programs is ever attached.
        record(unsafe { &mut *cell }, bytes);
    }
}
