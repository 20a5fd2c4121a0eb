//! Packets of all cgroups: DNS, and bytes on the wire where payload cannot be counted.

use aya_ebpf::{
    EbpfContext, helpers::generated::bpf_skb_cgroup_id, macros::cgroup_skb, programs::SkBuffContext,
};
use ebpf_common::{SlotRef, index};

use crate::{container, dns, net, read::layout};

/// What both programs return to let the packet go. They never drop one.
const PASS: i32 = 1;

/// Every packet that leaves through the version 2 root.
#[cgroup_skb(egress)]
pub fn cgroup_egress(ctx: SkBuffContext) -> i32 {
    // Headers included; the degraded way.
    if layout!(count_sent_packets) != 0
        && let Some(at) = owner(&ctx)
    {
        let threshold = container::threshold(at, index::SENT_BYTES);
        net::count_sent(at.slot, threshold, u64::from(ctx.len()));
    }
    dns::query(&ctx);
    PASS
}

/// Every packet that arrives at a socket.
#[cgroup_skb(ingress)]
pub fn cgroup_ingress(ctx: SkBuffContext) -> i32 {
    if layout!(count_received_packets) != 0
        && let Some(at) = owner(&ctx)
    {
        let threshold = container::threshold(at, index::RECEIVED_BYTES);
        net::count_received(at.slot, threshold, u64::from(ctx.len()));
    }
    dns::answer(&ctx);
    PASS
}

/// The slot of the container whose socket sends or receives the packet, if it is measured.
#[inline(always)]
pub(crate) fn owner(packet: &SkBuffContext) -> Option<SlotRef> {
    // SAFETY: the context is the packet that the helper wants; it gives 0 when there is no socket.
    container::of_cgroup(unsafe { bpf_skb_cgroup_id(packet.as_ptr().cast()) })
}
