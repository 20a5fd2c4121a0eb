//! Which of the kernel's abilities to use; leaving some out makes a new kernel look like an old one.

use std::collections::BTreeSet;

/// Something that newer kernels have and older ones lack, and that the programs do without if they
/// must.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Feature {
    /// `sched_switch` passes the state of the task that leaves (5.18).
    SwitchState,
    /// Sends and receives tell their payload (`sock_send_length`, `sock_recv_length`; 6.3).
    PayloadLength,
    /// `tcp_retransmit_skb` passes whether the packet was sent (6.18).
    RetransmitError,
    /// The number of segments in a retransmitted packet is known from BTF.
    SegmentCount,
    /// `kfree_skb` passes why (5.17).
    DropReason,
    /// `kfree_skb` passes the socket that was to receive the packet (6.11).
    DropSocket,
}

impl Feature {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::SwitchState,
        Self::PayloadLength,
        Self::RetransmitError,
        Self::SegmentCount,
        Self::DropReason,
        Self::DropSocket,
    ];
}

/// What may be used of what the kernel has. Everything, unless said otherwise.
///
/// Two things of old kernels cannot be had on a newer one, because there arguments come in another
/// order, not in smaller number: `sched_switch` of 5.18, and `block_rq_issue` before 5.11. They have
/// programs of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Features {
    off: BTreeSet<Feature>,
    absent: BTreeSet<String>,
}

impl Features {
    /// Whatever the kernel has.
    pub fn all() -> Self {
        Self::default()
    }

    /// As if the kernel lacked `feature`.
    pub fn without(mut self, feature: Feature) -> Self {
        self.off.insert(feature);
        self
    }

    /// As if the kernel lacked the tracepoint `name`.
    pub fn without_tracepoint(mut self, name: &str) -> Self {
        self.absent.insert(name.to_owned());
        self
    }

    /// Whether `feature` may be used.
    pub fn has(&self, feature: Feature) -> bool {
        !self.off.contains(&feature)
    }

    /// Whether the tracepoint `name` may be used.
    pub fn has_tracepoint(&self, name: &str) -> bool {
        !self.absent.contains(name)
    }
}
