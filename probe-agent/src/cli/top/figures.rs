//! One metric's numbers, and how they are written.

use std::time::Duration;

use serde::Serialize;
use viperscale_proto::v1::MetricSample;

use crate::kernel::Metric;
use crate::sample::quantile;

/// One metric of one container over one interval. `null` is what is not known.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Figures {
    pub(super) count: u64,
    pub(super) sum: u64,
    pub(super) count_per_second: f64,
    pub(super) sum_per_second: f64,
    pub(super) p50: Option<f64>,
    pub(super) p95: Option<f64>,
    pub(super) sampling: f64,
    /// Of `sum`, with 95 % confidence; `null` when nothing was recorded.
    pub(super) relative_error: Option<f64>,
}

impl Figures {
    pub(super) fn of(sample: &MetricSample, length: Duration) -> Self {
        let seconds = length.as_secs_f64().max(f64::EPSILON);
        Self {
            count: sample.count,
            sum: sample.sum,
            count_per_second: sample.count as f64 / seconds,
            sum_per_second: sample.sum as f64 / seconds,
            p50: quantile(&sample.log2_buckets, 0.5),
            p95: quantile(&sample.log2_buckets, 0.95),
            sampling: sample.sampling,
            relative_error: Some(sample.relative_error).filter(|error| error.is_finite()),
        }
    }

    /// The number that stands for `metric` in the table, with its unit where it has one, and its error
    /// where it is an estimate.
    pub(super) fn cell(&self, metric: Metric) -> String {
        let number = match metric {
            Metric::OnCpuTime | Metric::OffCpuTime => percent(self.sum_per_second / 1e9),
            Metric::PageCacheHitRatio if self.count == 0 => "-".to_owned(),
            Metric::PageCacheHitRatio => percent(self.sum as f64 / self.count as f64),
            Metric::RunqLatency | Metric::DiskIoLatency | Metric::DnsLatency => {
                known(self.p95, nanoseconds)
            }
            Metric::DiskIoSize | Metric::SentBytes | Metric::ReceivedBytes => {
                bytes(self.sum_per_second)
            }
            _ => format!("{:.0}", self.count_per_second),
        };
        match self.relative_error {
            Some(error) if error > 0.0 => format!("{number} ±{:.0}%", 100.0 * error),
            _ => number,
        }
    }
}

/// What heads the column of a metric.
pub(super) fn title(metric: Metric) -> &'static str {
    match metric {
        Metric::Unspecified => "",
        Metric::OnCpuTime => "CPU %",
        Metric::OffCpuTime => "OFF CPU %",
        Metric::RunqLatency => "WAIT p95",
        Metric::PageCacheHitRatio => "CACHE HITS %",
        Metric::KernelPageFaults => "KERNEL FAULTS/s",
        Metric::UserPageFaults => "FAULTS/s",
        Metric::TlbFlushes => "TLB FLUSHES/s",
        Metric::DiskIoSize => "DISK/s",
        Metric::DiskIoLatency => "DISK p95",
        Metric::SentBytes => "SENT/s",
        Metric::ReceivedBytes => "RECEIVED/s",
        Metric::TcpRetransmits => "RETRANSMITS/s",
        Metric::TcpSynackRetransmits => "SYN/ACKS AGAIN/s",
        Metric::TcpDrops => "DROPS/s",
        Metric::DnsLatency => "DNS p95",
    }
}

/// A share of 1.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1}", 100.0 * share)
}

pub(super) fn known(value: Option<f64>, show: impl Fn(f64) -> String) -> String {
    value.map_or_else(|| "-".to_owned(), show)
}

pub(super) fn nanoseconds(value: f64) -> String {
    scaled(value, 1_000.0, &["ns", "µs", "ms", "s"])
}

fn bytes(value: f64) -> String {
    scaled(value, 1_024.0, &["B", "KiB", "MiB", "GiB", "TiB"])
}

/// The value in the largest of `units` that leaves it at least 1.
fn scaled(mut value: f64, step: f64, units: &[&str]) -> String {
    let mut index = 0;
    while value >= step && index + 1 < units.len() {
        value /= step;
        index += 1;
    }
    let unit = units.get(index).copied().unwrap_or_default();
    let decimals = usize::from(index > 0 && value < 100.0);
    format!("{value:.decimals$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_unit() {
        assert_eq!(nanoseconds(850.0), "850 ns");
        assert_eq!(nanoseconds(1_500.0), "1.5 µs");
        assert_eq!(nanoseconds(250_000_000.0), "250 ms");
        assert_eq!(bytes(0.0), "0 B");
        assert_eq!(bytes(1_536.0), "1.5 KiB");
    }

    #[test]
    fn an_estimate_shows_its_error() {
        let sample = MetricSample {
            metric: Metric::SentBytes.into(),
            count: 10,
            sum: 2_048,
            sampling: 0.1,
            relative_error: 0.25,
            ..MetricSample::default()
        };
        let figures = Figures::of(&sample, Duration::from_secs(2));
        assert_eq!(figures.cell(Metric::SentBytes), "1.0 KiB ±25%");
        let unknown = MetricSample {
            relative_error: f64::INFINITY,
            ..MetricSample::default()
        };
        let figures = Figures::of(&unknown, Duration::from_secs(2));
        assert_eq!(figures.relative_error, None);
        assert_eq!(figures.cell(Metric::TcpDrops), "0");
    }

    #[test]
    fn a_cache_that_nobody_asked_has_no_ratio() {
        let sample = MetricSample::default();
        let figures = Figures::of(&sample, Duration::from_secs(1));
        assert_eq!(figures.cell(Metric::PageCacheHitRatio), "-");
    }
}
