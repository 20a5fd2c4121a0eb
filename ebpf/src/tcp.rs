//! TCP's troubles. They happen in timers and interrupts, so they are charged by socket.

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use ebpf_common::{counter, index};

use crate::{
    container, count,
    read::{field, layout},
};

const TCP: u16 = 6;

/// States of what looks like a socket and is a smaller struct: a connection's last minute, and its
/// first moments.
const TIME_WAIT: u8 = 6;
const NEW_SYN_RECV: u8 = 12;

/// `tcp_retransmit_skb(sk, skb[, err])`: a packet of one or more segments was sent again, or (6.18) could
/// not be. Counted in segments, as `RetransSegs` in `/proc/net/snmp` is.
#[btf_tracepoint(function = "tcp_retransmit_skb")]
pub fn tcp_retransmit_skb(ctx: BtfTracePointContext) -> i32 {
    if layout!(retransmit_passes_error) != 0 && ctx.arg::<u64>(2) as u32 != 0 {
        return 0;
    }
    let (socket, packet): (*const u8, *const u8) = (ctx.arg(0), ctx.arg(1));
    // SAFETY: the verifier types both; only a whole socket retransmits data.
    let container = unsafe { container::of_socket(socket) };
    let Some(at) = container else { return 0 };
    let segments = match layout!(skb_segments) {
        0 => 1,
        // SAFETY: the control block of a packet in TCP's hands is TCP's.
        offset => u64::from(unsafe { field::<u16>(packet, offset) }).max(1),
    };
    count::events(
        at,
        index::TCP_RETRANSMITS,
        counter::TCP_RETRANSMITS,
        segments,
    );
    0
}

/// `tcp_retransmit_synack(sk, req)`: an answer to a connection request was sent again by the listener
/// `sk`.
#[btf_tracepoint(function = "tcp_retransmit_synack")]
pub fn tcp_retransmit_synack(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: an argument that the verifier types.
    if let Some(at) = unsafe { container::of_socket(ctx.arg(0)) } {
        count::events(
            at,
            index::TCP_SYNACK_RETRANSMITS,
            counter::TCP_SYNACK_RETRANSMITS,
            1,
        );
    }
    0
}

/// `kfree_skb(skb, location[, reason[, rx_sk]])`: a packet was dropped, in the stack's own words: what is
/// done with is consumed instead. Packets that no socket was found for belong to no one.
#[btf_tracepoint(function = "kfree_skb")]
pub fn kfree_skb(ctx: BtfTracePointContext) -> i32 {
    if layout!(drop_passes_reason) != 0 && !is_drop(ctx.arg::<u64>(2) as u32) {
        return 0;
    }
    if layout!(drop_passes_socket) != 0 {
        let receiver: *const u8 = ctx.arg(3);
        if !receiver.is_null() {
            return dropped(receiver);
        }
    }
    // SAFETY: an argument that the verifier types.
    let owner: *const u8 = unsafe { field(ctx.arg(0), layout!(skb_sock)) };
    if owner.is_null() {
        return 0;
    }
    dropped(owner)
}

/// Whether a reason is one; packets that a closing socket throws away unread are not.
#[inline(always)]
fn is_drop(reason: u32) -> bool {
    let (reasons, bit) = if reason < 64 {
        (layout!(not_drops_low), reason)
    } else if reason < 128 {
        (layout!(not_drops_high), reason - 64)
    } else {
        return true;
    };
    (reasons >> bit) & 1 == 0
}

#[inline(always)]
fn dropped(socket: *const u8) -> i32 {
    // SAFETY: the caller has it from the tracepoint, typed by the verifier and not null.
    let container = unsafe {
        let state: u8 = field(socket, layout!(sock_state));
        if state == TIME_WAIT || state == NEW_SYN_RECV {
            return 0;
        }
        if field::<u16>(socket, layout!(sock_protocol)) != TCP {
            return 0;
        }
        container::of_socket(socket)
    };
    if let Some(at) = container {
        count::events(at, index::TCP_DROPS, counter::TCP_DROPS, 1);
    }
    0
}
