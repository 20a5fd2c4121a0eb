//! The hooks: which program goes where, and which metrics it feeds.

use std::collections::BTreeSet;

use super::{Metric, Settings};

/// A place in the kernel where one of our programs runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Hook {
    /// BTF tracepoint; also needs the flush program.
    SchedSwitch,
    /// BTF tracepoint.
    PageFaultUser,
    /// BTF tracepoint.
    SockSendLength,
    /// Packets that leave through the version 2 root.
    CgroupEgress,
}

impl Hook {
    pub(super) const ALL: [Self; 4] = [
        Self::SchedSwitch,
        Self::PageFaultUser,
        Self::SockSendLength,
        Self::CgroupEgress,
    ];

    /// What it is called in messages, as in the kernel.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::SchedSwitch => "sched_switch",
            Self::PageFaultUser => "page_fault_user",
            Self::SockSendLength => "sock_send_length",
            Self::CgroupEgress => "cgroup_egress",
        }
    }

    /// The metrics that it feeds.
    pub(super) fn metrics(self) -> &'static [Metric] {
        match self {
            Self::SchedSwitch => &[Metric::OnCpuTime, Metric::RunqLatency],
            Self::PageFaultUser => &[Metric::UserPageFaults],
            Self::SockSendLength | Self::CgroupEgress => &[Metric::SentBytes],
        }
    }

    /// Whether `settings` need it.
    pub(super) fn feeds(self, settings: &Settings) -> bool {
        self.metrics()
            .iter()
            .any(|metric| settings.get(*metric).is_some())
    }
}

/// The hooks among `available` that some of `settings` need.
pub(super) fn needed<'a>(
    available: &BTreeSet<Hook>,
    settings: impl Iterator<Item = &'a Settings> + Clone,
) -> BTreeSet<Hook> {
    available
        .iter()
        .copied()
        .filter(|hook| settings.clone().any(|one| hook.feeds(one)))
        .collect()
}
