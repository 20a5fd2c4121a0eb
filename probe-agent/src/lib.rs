//! The node agent: measures containers with eBPF, once a second, and streams what happened to the
//! scaler, which tells it what to measure.
//!
//! ```text
//!                      scaler
//!       Configuration │      ▲ Hello, Report
//!                     ▼      │
//!                   ┌── stream ──┐      reconnects; queue drops the oldest
//!              plan │            │ report
//!                   ▼            │
//!  cgroup tree ▶ containers ──▶ monitor ──▶ sample      totals → change per interval
//!   inotify,      cgroup (path → pod UID,      ▲  ▲
//!   scans         container id)                │  └ throttling, threads, node   cpu.stat, pids.current, /proc/stat
//!                                            kernel                    eBPF: the only user of it
//! ```
//!
//! Reading order: [`cgroup`] and [`hierarchy`] say what a container is, [`containers`] finds them,
//! [`kernel`] measures, [`sample`], [`throttling`], [`threads`] and [`node`] turn totals into changes; [`plan`]
//! is what to measure, [`monitor`] does it and [`measuring`] is its thread, taking [`orders`] at the
//! pace of [`ticks`]; [`stream`] speaks to the scaler in the words of [`report`]; [`admin`] and
//! [`instruments`] tell how the agent itself is; [`cli`] is what users type.
//!
//! Invariants: no Kubernetes API, no credentials; nothing is attached without something to measure;
//! every blocking call is on the measuring thread; every queue is bounded.

pub mod cgroup;
pub mod hierarchy;

pub mod containers;

pub mod kernel;

pub mod node;
pub mod sample;
pub mod threads;
pub mod throttling;

pub mod measuring;
pub mod monitor;
pub mod orders;
pub mod plan;
pub mod ticks;

pub mod report;
pub mod stream;

pub mod admin;
pub mod host;
pub mod instruments;

pub mod cli;

use viperscale_proto::v1::Metric;

/// A metric's name as policies write it, `runqLatency`.
pub fn metric_name(metric: Metric) -> String {
    let mut name = String::new();
    for word in metric.as_str_name().split('_').skip(1) {
        let (first, rest) = word.split_at(word.len().min(1));
        name.push_str(&if name.is_empty() {
            first.to_lowercase()
        } else {
            first.to_owned()
        });
        name.push_str(&rest.to_lowercase());
    }
    name
}

/// All metrics, in the order of the protocol.
pub fn metrics() -> impl Iterator<Item = Metric> {
    // Value 0 is "unspecified" and no metric.
    (1..).map_while(|value| Metric::try_from(value).ok())
}

/// The metric of a name as policies write it.
pub fn parse_metric(name: &str) -> Option<Metric> {
    metrics().find(|metric| metric_name(*metric) == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_can_be_read_back() {
        for metric in metrics() {
            assert_eq!(parse_metric(&metric_name(metric)), Some(metric));
        }
        assert_eq!(parse_metric("unspecified"), None);
        assert_eq!(metrics().count(), 15);
    }

    #[test]
    fn metrics_are_named_as_in_policies() {
        assert_eq!(metric_name(Metric::RunqLatency), "runqLatency");
        assert_eq!(
            metric_name(Metric::TcpSynackRetransmits),
            "tcpSynackRetransmits"
        );
        assert_eq!(metric_name(Metric::OnCpuTime), "onCpuTime");
    }
}
