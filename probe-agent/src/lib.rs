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
//!   scans         container id)                │  └ throttling, node   cpu.stat, /proc/stat
//!                                            kernel                    eBPF: the only user of it
//! ```
//!
//! Reading order: [`cgroup`] and [`hierarchy`] say what a container is, [`containers`] finds them,
//! [`kernel`] measures, [`sample`], [`throttling`] and [`node`] turn totals into changes; [`plan`]
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

#[cfg(test)]
mod tests {
    use super::*;

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
