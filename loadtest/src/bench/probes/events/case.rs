//! The kinds of events: which metrics they feed, what causes them, and who else counts them.

use anyhow::Result;
use probe_agent::kernel::Metric;

use super::load::{self, Load};
use super::peer::PeerSpec;

/// One kind of event.
#[derive(Debug)]
pub(super) struct Case {
    /// What it is called in the report.
    pub(super) event: &'static str,
    /// What is switched on.
    pub(super) metrics: &'static [Metric],
    /// Which of our programs runs once per event, by the beginning of its name: the kernel keeps fifteen
    /// characters.
    pub(super) program: &'static str,
    /// Causes events until it is dropped.
    pub(super) load: fn() -> Result<Load>,
    /// Other tools.
    pub(super) peers: &'static [PeerSpec],
}

/// Retransmissions and SYN/ACKs are left out: they are timers that expire, a few in a second at the
/// worst. What they cost is in the numbers of the shop. User page faults are counted at context switches, and
/// have no cost each.
pub(super) static CASES: [Case; 7] = [
    Case {
        event: "context switch",
        metrics: &[
            Metric::OnCpuTime,
            Metric::RunqLatency,
            Metric::UserPageFaults,
        ],
        program: "sched_switch",
        load: load::context_switches,
        peers: &[
            PeerSpec::libbpf("runqlat", &["3600"]).counted_by("switch"),
            PeerSpec::bpftrace("run-queue latency", include_str!("../bpftrace/runqlat.bt"))
                .counted_by("sched_switch"),
        ],
    },
    Case {
        event: "kernel page fault",
        metrics: &[Metric::KernelPageFaults],
        program: "page_fault_kern",
        load: load::kernel_faults,
        peers: &[],
    },
    Case {
        event: "TLB flush",
        metrics: &[Metric::TlbFlushes],
        program: "tlb_flush",
        load: load::user_faults,
        peers: &[],
    },
    Case {
        event: "page-cache access",
        metrics: &[Metric::PageCacheHitRatio],
        program: "mm_filemap_get_",
        load: load::cached_reads,
        peers: &[PeerSpec::libbpf("cachestat", &["3600"])],
    },
    Case {
        event: "disk request",
        metrics: &[Metric::DiskIoSize, Metric::DiskIoLatency],
        program: "block_rq_issue",
        load: load::disk_writes,
        peers: &[
            PeerSpec::libbpf("biolatency", &["3600"]).counted_by("issue"),
            PeerSpec::bpftrace("disk latency", include_str!("../bpftrace/biolatency.bt"))
                .counted_by("block_rq_issue"),
        ],
    },
    Case {
        event: "TCP message sent and received",
        metrics: &[Metric::SentBytes, Metric::ReceivedBytes],
        program: "sock_send_lengt",
        load: load::tcp_messages,
        peers: &[
            PeerSpec::libbpf("tcptop", &["-C", "3600"]),
            PeerSpec::bpftrace("bytes", include_str!("../bpftrace/bytes.bt"))
                .counted_by("sock_send_length"),
        ],
    },
    Case {
        event: "packet, looked at for DNS",
        metrics: &[Metric::DnsLatency],
        program: "cgroup_egress",
        load: load::datagrams,
        peers: &[],
    },
];

impl Case {
    /// Whether each event adds to a metric. The DNS filter looks at every packet and counts few.
    pub(super) fn counts_what_it_sees(&self) -> bool {
        !self.metrics.contains(&Metric::DnsLatency)
    }

    /// Whether the floor is measured with it: once in a round is enough.
    pub(super) fn is_first(&self) -> bool {
        std::ptr::eq(self, &raw const CASES[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_named_as_the_kernel_keeps_them() {
        for case in &CASES {
            assert!(case.program.len() <= 15, "{}", case.program);
        }
    }

    #[test]
    fn the_floor_goes_with_one_case() {
        assert_eq!(CASES.iter().filter(|case| case.is_first()).count(), 1);
    }
}
