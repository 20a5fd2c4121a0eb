//! What the programs counted for one container, summed over CPUs. Pure.

use std::collections::BTreeSet;

use ebpf_common::{
    CacheCell, ContainerConfig, CountsCell, DiskCell, Distribution, LostCell, NetCell, SchedCell,
    counter, index,
};

use super::estimate::Raw;
use super::{Metric, Scheduling, Settings, Slot};

/// Metrics that share a cell, and so are read at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Group {
    Sched,
    Counts,
    Cache,
    Disk,
    Net,
    Dns,
}

/// The cells of one container; a group that was not read is absent.
#[derive(Clone, Debug, Default)]
pub(super) struct Cells {
    pub(super) sched: Option<SchedCell>,
    pub(super) counts: Option<CountsCell>,
    pub(super) cache: Option<CacheCell>,
    pub(super) disk: Option<DiskCell>,
    pub(super) net: Option<NetCell>,
    pub(super) dns: Option<Distribution>,
}

/// Where a metric is counted, and where its threshold stands in the config cell. Off-CPU time is the
/// rest of on-CPU time, which it therefore needs, and is no number of the kernel's.
pub(super) fn place(metric: Metric) -> Option<(Group, usize)> {
    Some(match metric {
        Metric::Unspecified => return None,
        Metric::OnCpuTime | Metric::OffCpuTime => (Group::Sched, index::ON_CPU_TIME),
        Metric::RunqLatency => (Group::Sched, index::RUNQ_LATENCY),
        Metric::PageCacheHitRatio => (Group::Cache, index::PAGE_CACHE),
        Metric::KernelPageFaults => (Group::Counts, index::KERNEL_PAGE_FAULTS),
        Metric::UserPageFaults => (Group::Sched, index::USER_PAGE_FAULTS),
        Metric::TlbFlushes => (Group::Counts, index::TLB_FLUSHES),
        Metric::DiskIoSize => (Group::Disk, index::DISK_IO_SIZE),
        Metric::DiskIoLatency => (Group::Disk, index::DISK_IO_LATENCY),
        Metric::SentBytes => (Group::Net, index::SENT_BYTES),
        Metric::ReceivedBytes => (Group::Net, index::RECEIVED_BYTES),
        Metric::TcpRetransmits => (Group::Counts, index::TCP_RETRANSMITS),
        Metric::TcpSynackRetransmits => (Group::Counts, index::TCP_SYNACK_RETRANSMITS),
        Metric::TcpDrops => (Group::Counts, index::TCP_DROPS),
        Metric::DnsLatency => (Group::Dns, index::DNS_LATENCY),
    })
}

/// The groups that hold some of `metrics`.
pub(super) fn groups(metrics: impl IntoIterator<Item = Metric>) -> BTreeSet<Group> {
    metrics
        .into_iter()
        .filter_map(place)
        .map(|(group, _)| group)
        .collect()
}

/// The config cell of a container.
pub(super) fn config(slot: Slot, settings: &Settings) -> ContainerConfig {
    let mut config = ContainerConfig {
        generation: slot.generation,
        ..ContainerConfig::OFF
    };
    for (metric, rate) in settings.iter() {
        if let Some((_, index)) = place(metric) {
            config.thresholds[index] = rate.threshold();
        }
    }
    config
}

impl Cells {
    /// The counters of one metric; `None` if its cell was not read, or if it has none.
    ///
    /// Of the page cache, the count is pages accessed and the sum pages brought in from a device.
    pub(super) fn raw(&self, metric: Metric) -> Option<Raw> {
        let events = |at: usize| self.counts.map(|cell| Raw::of_count(cell.events[at]));
        match metric {
            Metric::Unspecified | Metric::OffCpuTime => None,
            Metric::OnCpuTime => self.scheduling().map(|totals| Raw::of_on_cpu(&totals)),
            Metric::RunqLatency => self.sched.map(|cell| Raw::of_distribution(&cell.waits)),
            Metric::PageCacheHitRatio => self.cache.map(|cell| Raw {
                count: cell.accessed,
                sum: cell.added.saturating_sub(cell.written),
                buckets: Vec::new(),
            }),
            Metric::KernelPageFaults => events(counter::KERNEL_PAGE_FAULTS),
            Metric::UserPageFaults => self.sched.map(|cell| Raw::of_count(cell.user_faults)),
            Metric::TlbFlushes => events(counter::TLB_FLUSHES),
            Metric::DiskIoSize => self.disk.map(|cell| Raw::of_distribution(&cell.sizes)),
            Metric::DiskIoLatency => self.disk.map(|cell| Raw::of_distribution(&cell.latencies)),
            Metric::SentBytes => self.net.map(|cell| Raw::of_distribution(&cell.sent)),
            Metric::ReceivedBytes => self.net.map(|cell| Raw::of_distribution(&cell.received)),
            Metric::TcpRetransmits => events(counter::TCP_RETRANSMITS),
            Metric::TcpSynackRetransmits => events(counter::TCP_SYNACK_RETRANSMITS),
            Metric::TcpDrops => events(counter::TCP_DROPS),
            Metric::DnsLatency => self.dns.map(|cell| Raw::of_distribution(&cell)),
        }
    }

    /// What the scheduler hook counted, if its cell was read.
    pub(super) fn scheduling(&self) -> Option<Scheduling> {
        self.sched.map(|cell| Scheduling {
            on_cpu_ns: cell.on_cpu_ns,
            wait_ns: cell.wait_ns,
            voluntary_switches: cell.voluntary,
            involuntary_switches: cell.involuntary,
        })
    }
}

/// Adding up one CPU after the other.
pub(super) trait Sum {
    /// Nothing.
    const ZERO: Self;

    /// Adds another CPU's.
    fn add(&mut self, other: &Self);
}

impl Sum for Distribution {
    const ZERO: Self = Self::ZERO;

    fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.sum += other.sum;
        for (bucket, count) in self.buckets.iter_mut().zip(other.buckets) {
            *bucket += count;
        }
    }
}

impl Sum for SchedCell {
    const ZERO: Self = Self::ZERO;

    fn add(&mut self, other: &Self) {
        self.on_cpu_ns += other.on_cpu_ns;
        self.wait_ns += other.wait_ns;
        self.voluntary += other.voluntary;
        self.involuntary += other.involuntary;
        self.user_faults += other.user_faults;
        self.waits.add(&other.waits);
    }
}

impl Sum for CountsCell {
    const ZERO: Self = Self::ZERO;

    fn add(&mut self, other: &Self) {
        for (sum, count) in self.events.iter_mut().zip(other.events) {
            *sum += count;
        }
    }
}

impl Sum for CacheCell {
    const ZERO: Self = Self::ZERO;

    fn add(&mut self, other: &Self) {
        // The rest is the programs' own memory.
        self.accessed += other.accessed;
        self.added += other.added;
        self.written += other.written;
    }
}

impl Sum for DiskCell {
    const ZERO: Self = Self::ZERO;

    fn add(&mut self, other: &Self) {
        self.sizes.add(&other.sizes);
        self.latencies.add(&other.latencies);
    }
}

impl Sum for NetCell {
    const ZERO: Self = Self::ZERO;

    fn add(&mut self, other: &Self) {
        self.sent.add(&other.sent);
        self.received.add(&other.received);
    }
}

impl Sum for LostCell {
    const ZERO: Self = Self {
        requests: 0,
        queries: 0,
    };

    fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.queries += other.queries;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_a_place_and_no_two_share_a_threshold() {
        let metrics: Vec<Metric> = crate::metrics().collect();
        let mut places: Vec<usize> = metrics
            .iter()
            .filter(|metric| **metric != Metric::OffCpuTime)
            .map(|metric| place(*metric).expect("a place").1)
            .collect();
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), metrics.len() - 1);
    }

    #[test]
    fn what_was_not_read_is_no_zero() {
        assert_eq!(Cells::default().raw(Metric::SentBytes), None);
        let read = Cells {
            counts: Some(CountsCell::ZERO),
            ..Cells::default()
        };
        assert_eq!(read.raw(Metric::TcpDrops), Some(Raw::default()));
    }

    #[test]
    fn pages_that_were_written_whole_were_not_brought_in() {
        let mut cell = CacheCell::ZERO;
        (cell.accessed, cell.added, cell.written) = (10, 7, 3);
        let read = Cells {
            cache: Some(cell),
            ..Cells::default()
        };
        let raw = read.raw(Metric::PageCacheHitRatio).expect("read");
        assert_eq!((raw.count, raw.sum), (10, 4));
    }
}
