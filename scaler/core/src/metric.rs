//! The table of metrics: what each one counts and what may be asked of it.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::policy::Response;
use crate::statistic::Statistic;
use crate::unit::Unit;

/// A metric of the ViperProbe thesis (its table 2), as policies name it.
///
/// CPU time is two metrics here, on and off the CPU, which one hook delivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Metric {
    /// Time on a CPU.
    OnCpuTime,
    /// Time off the CPU: threads times elapsed time, less the time on a CPU.
    OffCpuTime,
    /// How long threads that could run waited for a CPU, their own quota's throttling included.
    RunqLatency,
    /// Accesses to the page cache and how many of them hit (count = accesses, sum = hits).
    PageCacheHitRatio,
    /// Page faults taken in kernel mode.
    KernelPageFaults,
    /// Page faults taken in user mode.
    UserPageFaults,
    /// Flushes of the translation look-aside buffer.
    TlbFlushes,
    /// Sizes of disk requests.
    DiskIoSize,
    /// From issue to completion of disk requests.
    DiskIoLatency,
    /// Payload bytes per send.
    SentBytes,
    /// Payload bytes per receive.
    ReceivedBytes,
    /// TCP segments sent again.
    TcpRetransmits,
    /// SYN/ACKs sent again.
    TcpSynackRetransmits,
    /// TCP segments dropped by the kernel.
    TcpDrops,
    /// From DNS query to answer.
    DnsLatency,
}

/// What kind of numbers a metric consists of; decides which statistics exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Every event has a value (a latency, a size): count, sum and histogram.
    Distribution,
    /// Only a total grows (events, time): no histogram.
    Counter,
    /// Two counts whose quotient matters: sum out of count.
    Ratio,
}

impl Metric {
    /// All metrics, in the order of the thesis' table.
    pub const ALL: [Self; 15] = [
        Self::OnCpuTime,
        Self::OffCpuTime,
        Self::RunqLatency,
        Self::PageCacheHitRatio,
        Self::KernelPageFaults,
        Self::UserPageFaults,
        Self::TlbFlushes,
        Self::DiskIoSize,
        Self::DiskIoLatency,
        Self::SentBytes,
        Self::ReceivedBytes,
        Self::TcpRetransmits,
        Self::TcpSynackRetransmits,
        Self::TcpDrops,
        Self::DnsLatency,
    ];

    /// The name in policies, camelCase.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OnCpuTime => "onCpuTime",
            Self::OffCpuTime => "offCpuTime",
            Self::RunqLatency => "runqLatency",
            Self::PageCacheHitRatio => "pageCacheHitRatio",
            Self::KernelPageFaults => "kernelPageFaults",
            Self::UserPageFaults => "userPageFaults",
            Self::TlbFlushes => "tlbFlushes",
            Self::DiskIoSize => "diskIoSize",
            Self::DiskIoLatency => "diskIoLatency",
            Self::SentBytes => "sentBytes",
            Self::ReceivedBytes => "receivedBytes",
            Self::TcpRetransmits => "tcpRetransmits",
            Self::TcpSynackRetransmits => "tcpSynackRetransmits",
            Self::TcpDrops => "tcpDrops",
            Self::DnsLatency => "dnsLatency",
        }
    }

    /// The unit of one event's value (of [`crate::MetricDelta::sum`]).
    #[must_use]
    pub const fn unit(self) -> Unit {
        match self {
            Self::OnCpuTime
            | Self::OffCpuTime
            | Self::RunqLatency
            | Self::DiskIoLatency
            | Self::DnsLatency => Unit::Time,
            Self::DiskIoSize | Self::SentBytes | Self::ReceivedBytes => Unit::Bytes,
            Self::PageCacheHitRatio => Unit::Share,
            Self::KernelPageFaults
            | Self::UserPageFaults
            | Self::TlbFlushes
            | Self::TcpRetransmits
            | Self::TcpSynackRetransmits
            | Self::TcpDrops => Unit::Events,
        }
    }

    /// Whether events have a distribution, only a total, or are a ratio.
    #[must_use]
    pub const fn kind(self) -> Kind {
        match self {
            Self::RunqLatency
            | Self::DiskIoSize
            | Self::DiskIoLatency
            | Self::SentBytes
            | Self::ReceivedBytes
            | Self::DnsLatency => Kind::Distribution,
            Self::PageCacheHitRatio => Kind::Ratio,
            Self::OnCpuTime
            | Self::OffCpuTime
            | Self::KernelPageFaults
            | Self::UserPageFaults
            | Self::TlbFlushes
            | Self::TcpRetransmits
            | Self::TcpSynackRetransmits
            | Self::TcpDrops => Kind::Counter,
        }
    }

    /// Whether recording only some of the events still tells the whole.
    ///
    /// CPU time cannot be sampled: every stint must be added up, or the total is a guess.
    #[must_use]
    pub const fn can_be_sampled(self) -> bool {
        !matches!(self, Self::OnCpuTime | Self::OffCpuTime)
    }

    /// The statistic of a policy that names none.
    #[must_use]
    pub const fn default_statistic(self) -> Statistic {
        match self.kind() {
            Kind::Distribution => match self.unit() {
                Unit::Time => Statistic::P95,
                _ => Statistic::Rate,
            },
            Kind::Ratio => Statistic::Share,
            Kind::Counter => match self.unit() {
                Unit::Time => Statistic::Share,
                _ => Statistic::Rate,
            },
        }
    }

    /// The response of a policy that states a threshold and names no response.
    #[must_use]
    pub const fn default_response(self) -> Response {
        match self {
            Self::RunqLatency => Response::Queueing,
            Self::PageCacheHitRatio => Response::Observe,
            _ => Response::Proportional,
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

/// The text is not the name of a metric.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a metric; known are {known}", known = names())]
pub struct UnknownMetric(String);

impl FromStr for Metric {
    type Err = UnknownMetric;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|metric| metric.name() == text)
            .ok_or_else(|| UnknownMetric(text.to_owned()))
    }
}

impl Serialize for Metric {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// All names, for messages.
pub(crate) fn names() -> String {
    Metric::ALL.map(Metric::name).join(", ")
}
