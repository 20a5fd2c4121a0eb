//! Which metric of a policy stands for which of an HPA.
//!
//! CPU time per pod is measured here too (`onCpuTime`, statistic `share`: cores), so that a target in
//! CPU time carries over exactly. A target in percent of the request does when the request is known.
//! Otherwise the policy starts from what CPU use is watched *for*: that threads do not wait.

use super::Context;
use super::hpa::Metric;
use crate::workloads::parse_cpu;

/// The threshold to start from where nothing can be carried over; that of most policies of the demo
/// shop.
const WAITING: &str = "runqLatency p95 5ms";

/// What the metrics of an HPA become.
#[derive(Debug, Default)]
pub(super) struct Converted {
    /// Entries of `spec.metrics`, each a list of `field: value`.
    pub(super) entries: Vec<Vec<String>>,
    /// What could not be carried over, and why.
    pub(super) notes: Vec<String>,
}

/// Converts all metrics; there is at least one entry.
pub(super) fn convert(metrics: &[Metric], context: &Context) -> Result<Converted, String> {
    let mut converted = Converted::default();
    let mut waiting = Vec::new();
    for metric in metrics {
        match metric {
            Metric::CpuUtilization {
                container,
                percent,
                assumed,
            } => {
                let what = match assumed {
                    true => format!("cpu {percent} % of the request (what the HPA assumes)"),
                    false => format!("cpu {percent} % of the request"),
                };
                match context.cpu_request_cores {
                    Some(request) => {
                        let cores = request * f64::from(*percent) / 100.0;
                        converted.entries.push(cpu_time(container.as_deref(), cores));
                        converted
                            .notes
                            .push(format!("{what}: carried over as CPU time, request {request} cores"));
                    }
                    None => {
                        converted.notes.push(format!(
                            "{what}: not carried over, because the request is not in the HPA (name it \
                             with --cpu-request); the waiting for a CPU stands for it"
                        ));
                        waiting.push(container.clone());
                    }
                }
            }
            Metric::CpuValue {
                container,
                quantity,
            } => {
                let cores = parse_cpu(quantity).filter(|cores| *cores > 0.0).ok_or_else(|| {
                    format!("spec.metrics: expected CPU time such as `200m`, found `{quantity}`")
                })?;
                converted.entries.push(cpu_time(container.as_deref(), cores));
            }
            Metric::Other(what) => converted.notes.push(format!(
                "{what}: not carried over; Viperscale measures containers in the kernel and asks no \
                 metrics API"
            )),
        }
    }
    if converted.entries.is_empty() && waiting.is_empty() {
        converted.notes.push(format!(
            "no metric could be carried over: starting from {WAITING}"
        ));
        waiting.push(None);
    }
    waiting.dedup();
    let waiting = waiting
        .iter()
        .map(|container| run_queue(container.as_deref()));
    converted.entries = waiting.chain(converted.entries).collect();
    Ok(converted)
}

fn run_queue(container: Option<&str>) -> Vec<String> {
    entry(
        "runqLatency",
        container,
        &["statistic: p95", "threshold: 5ms", "response: Queueing"],
    )
}

/// CPU time per pod, in cores, in proportion: the HPA's own rule.
fn cpu_time(container: Option<&str>, cores: f64) -> Vec<String> {
    let threshold = format!("threshold: \"{}\"", (cores * 1000.0).round() / 1000.0);
    entry(
        "onCpuTime",
        container,
        &["statistic: share", &threshold, "response: Proportional"],
    )
}

fn entry(name: &str, container: Option<&str>, rest: &[&str]) -> Vec<String> {
    let container = container.map(|container| format!("container: {container}"));
    [format!("name: {name}")]
        .into_iter()
        .chain(container)
        .chain(rest.iter().map(|field| (*field).to_owned()))
        .collect()
}
