//! Between the wire's words and the core's.

use scaler_core::Metric;
use viperscale_proto::v1 as wire;

/// The core's metric; `None` for one of a newer agent, or none at all.
pub(crate) fn metric_from_wire(metric: i32) -> Option<Metric> {
    Some(match wire::Metric::try_from(metric).ok()? {
        wire::Metric::Unspecified => return None,
        wire::Metric::OnCpuTime => Metric::OnCpuTime,
        wire::Metric::OffCpuTime => Metric::OffCpuTime,
        wire::Metric::RunqLatency => Metric::RunqLatency,
        wire::Metric::PageCacheHitRatio => Metric::PageCacheHitRatio,
        wire::Metric::KernelPageFaults => Metric::KernelPageFaults,
        wire::Metric::UserPageFaults => Metric::UserPageFaults,
        wire::Metric::TlbFlushes => Metric::TlbFlushes,
        wire::Metric::DiskIoSize => Metric::DiskIoSize,
        wire::Metric::DiskIoLatency => Metric::DiskIoLatency,
        wire::Metric::SentBytes => Metric::SentBytes,
        wire::Metric::ReceivedBytes => Metric::ReceivedBytes,
        wire::Metric::TcpRetransmits => Metric::TcpRetransmits,
        wire::Metric::TcpSynackRetransmits => Metric::TcpSynackRetransmits,
        wire::Metric::TcpDrops => Metric::TcpDrops,
        wire::Metric::DnsLatency => Metric::DnsLatency,
    })
}

/// The wire's metric.
pub(crate) fn metric_to_wire(metric: Metric) -> wire::Metric {
    match metric {
        Metric::OnCpuTime => wire::Metric::OnCpuTime,
        Metric::OffCpuTime => wire::Metric::OffCpuTime,
        Metric::RunqLatency => wire::Metric::RunqLatency,
        Metric::PageCacheHitRatio => wire::Metric::PageCacheHitRatio,
        Metric::KernelPageFaults => wire::Metric::KernelPageFaults,
        Metric::UserPageFaults => wire::Metric::UserPageFaults,
        Metric::TlbFlushes => wire::Metric::TlbFlushes,
        Metric::DiskIoSize => wire::Metric::DiskIoSize,
        Metric::DiskIoLatency => wire::Metric::DiskIoLatency,
        Metric::SentBytes => wire::Metric::SentBytes,
        Metric::ReceivedBytes => wire::Metric::ReceivedBytes,
        Metric::TcpRetransmits => wire::Metric::TcpRetransmits,
        Metric::TcpSynackRetransmits => wire::Metric::TcpSynackRetransmits,
        Metric::TcpDrops => wire::Metric::TcpDrops,
        Metric::DnsLatency => wire::Metric::DnsLatency,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_survives_the_wire() {
        for metric in Metric::ALL {
            assert_eq!(
                metric_from_wire(metric_to_wire(metric) as i32),
                Some(metric)
            );
        }
        assert_eq!(metric_from_wire(0), None);
        assert_eq!(metric_from_wire(9999), None);
    }
}
