//! The hooks: the places in the kernel where our programs run.

use aya::programs::CgroupSkbAttachType;

/// One of them. They are attached in this order and detached in the opposite one: where something ends
/// comes before where it begins, so that no end is missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Hook {
    /// Also needs the flush program.
    SchedSwitch,
    PageFaultUser,
    PageFaultKernel,
    TlbFlush,
    FilemapGetPages,
    FilemapFault,
    FilemapMapPages,
    FilemapAdd,
    DirtyFolio,
    BlockComplete,
    BlockRequeue,
    BlockIssue,
    SockSendLength,
    SockRecvLength,
    TcpRetransmit,
    TcpSynack,
    FreePacket,
    CgroupIngress,
    CgroupEgress,
}

impl Hook {
    pub(super) const ALL: [Self; 19] = [
        Self::SchedSwitch,
        Self::PageFaultUser,
        Self::PageFaultKernel,
        Self::TlbFlush,
        Self::FilemapGetPages,
        Self::FilemapFault,
        Self::FilemapMapPages,
        Self::FilemapAdd,
        Self::DirtyFolio,
        Self::BlockComplete,
        Self::BlockRequeue,
        Self::BlockIssue,
        Self::SockSendLength,
        Self::SockRecvLength,
        Self::TcpRetransmit,
        Self::TcpSynack,
        Self::FreePacket,
        Self::CgroupIngress,
        Self::CgroupEgress,
    ];

    /// What it is called in messages: the kernel's name of a tracepoint, our name of the others.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::SchedSwitch => "sched_switch",
            Self::PageFaultUser => "page_fault_user",
            Self::PageFaultKernel => "page_fault_kernel",
            Self::TlbFlush => "tlb_flush",
            Self::FilemapGetPages => "mm_filemap_get_pages",
            Self::FilemapFault => "mm_filemap_fault",
            Self::FilemapMapPages => "mm_filemap_map_pages",
            Self::FilemapAdd => "mm_filemap_add_to_page_cache",
            Self::DirtyFolio => "writeback_dirty_folio",
            Self::BlockComplete => "block_rq_complete",
            Self::BlockRequeue => "block_rq_requeue",
            Self::BlockIssue => "block_rq_issue",
            Self::SockSendLength => "sock_send_length",
            Self::SockRecvLength => "sock_recv_length",
            Self::TcpRetransmit => "tcp_retransmit_skb",
            Self::TcpSynack => "tcp_retransmit_synack",
            Self::FreePacket => "kfree_skb",
            Self::CgroupEgress => "cgroup_egress",
            Self::CgroupIngress => "cgroup_ingress",
        }
    }

    /// Where at the version 2 root it is attached; `None` for a BTF tracepoint.
    pub(super) fn packets(self) -> Option<CgroupSkbAttachType> {
        match self {
            Self::CgroupEgress => Some(CgroupSkbAttachType::Egress),
            Self::CgroupIngress => Some(CgroupSkbAttachType::Ingress),
            _ => None,
        }
    }

    /// The first kernel that has it, where that is later than BTF tracepoints are; for messages.
    pub(super) fn since(self) -> Option<&'static str> {
        match self {
            Self::FilemapGetPages | Self::FilemapFault | Self::FilemapMapPages => Some("6.12"),
            Self::DirtyFolio => Some("5.16"),
            Self::SockSendLength | Self::SockRecvLength => Some("6.3"),
            _ => None,
        }
    }

    /// Whether kernels for this architecture fire it. BTF lists tracepoints that they do not.
    pub(super) fn fires_here(self) -> bool {
        match self {
            Self::PageFaultUser | Self::PageFaultKernel => {
                cfg!(any(target_arch = "x86_64", target_arch = "riscv64"))
            }
            Self::TlbFlush => cfg!(target_arch = "x86_64"),
            _ => true,
        }
    }
}
