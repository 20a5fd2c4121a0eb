//! Brings the samples of a deployment into the form the queueing response wants.

mod sums;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::queueing::{self, Interval, Queueing};
use crate::measure::Measurement;
use crate::pods::MeasuredPod;
use crate::policy::MetricPolicy;
use crate::response::Proposal;
use crate::time::Timestamp;
use crate::windows::Windows;
use sums::Sums;

/// The response learns over time, so asking again before this share of an interval has passed
/// repeats the answer.
const MIN_NEW_SHARE: f64 = 0.75;
/// How far back another container of the same node vouches for the hook that counts.
const WITNESS: Duration = Duration::from_secs(60);

/// The queueing response of one metric, fed with each sample once.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Feed {
    queueing: Queueing,
    last: Option<Answer>,
}

/// What the response said last.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Answer {
    at: Timestamp,
    length: Duration,
    proposal: Option<queueing::Proposal>,
    /// Pods that the answer was about.
    present: u32,
}

/// One deployment, as the response sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Serving<'a> {
    /// Pods that receive requests: first the settled ones, then those that are warming up.
    pub(crate) pods: &'a [MeasuredPod<'a>],
    /// How many of them are settled.
    pub(crate) settled: usize,
    /// `spec.replicas`.
    pub(crate) current: u32,
    /// What was measured.
    pub(crate) windows: &'a Windows,
}

impl Feed {
    pub(crate) fn new(window: Duration) -> Self {
        Self {
            queueing: Queueing::new(window),
            last: None,
        }
    }

    /// The same, going on with a utilisation that was learned before.
    pub(crate) fn resume(window: Duration, utilisation: f64) -> Self {
        Self {
            queueing: Queueing::resume(window, utilisation),
            last: None,
        }
    }

    /// What was learned.
    pub(crate) fn utilisation(&self) -> f64 {
        self.queueing.utilisation()
    }

    /// Replicas for what happened since the last call; `None` without evidence.
    pub(crate) fn propose(
        &mut self,
        policy: &MetricPolicy,
        measured: &Measurement,
        serving: &Serving<'_>,
        now: Timestamp,
    ) -> Option<Proposal> {
        let since = self.last.as_ref().map(|answer| answer.at);
        let repeat = self.last.as_ref().is_some_and(|answer| {
            let passed = now.since(answer.at).as_secs_f64();
            passed < MIN_NEW_SHARE * answer.length.as_secs_f64()
        });
        if !repeat {
            let sums = Sums::collect(policy, serving, since, now);
            if sums.all_warming {
                // What they do while they start says nothing about the load, and nobody is there to
                // compare them with.
                self.last = None;
                let detail = "every pod that reports is warming up";
                return Some(Proposal::new(serving.current, detail));
            }
            if zeros_are_witnessed(serving, now) {
                self.queueing.believe_zeros();
            }
            let interval = interval(policy, measured, &sums, serving.current)?;
            self.last = Some(Answer {
                at: now,
                length: interval.length,
                proposal: self.queueing.propose(&interval),
                present: interval.ready.saturating_add(interval.starting),
            });
        }
        let answer = self.last.as_ref()?;
        let proposal = answer.proposal?;
        Some(Proposal {
            replicas: relative_to(serving.current, answer.present, proposal.replicas),
            detail: format!(
                "demand {:.2} cores at utilisation {:.2}; {}",
                proposal.demand_cores, proposal.rho, proposal.reason
            ),
            demand_cores: Some(proposal.demand_cores),
        })
    }
}

/// The response speaks about the pods that are there. During a roll-out these are more than
/// `spec.replicas`, and "as many as there are" must not become a scale-up.
fn relative_to(current: u32, present: u32, proposed: u32) -> u32 {
    match proposed.cmp(&present) {
        std::cmp::Ordering::Less => proposed.min(current),
        std::cmp::Ordering::Equal => current,
        std::cmp::Ordering::Greater => proposed.max(current),
    }
}

/// Whether zeros of these pods can be believed: on the node of each, the hook that counts saw some
/// other container run within the time that a source may be silent.
///
/// Without that, zeros since the scaler started are an idle deployment or a hook that sees nothing,
/// and only the first may be scaled down.
fn zeros_are_witnessed(serving: &Serving<'_>, now: Timestamp) -> bool {
    let witnessed = |pod: &MeasuredPod<'_>| {
        let node = pod.node.as_deref();
        node.is_some_and(|node| serving.windows.scheduler_seen(node, WITNESS, now))
    };
    !serving.pods.is_empty() && serving.pods.iter().all(witnessed)
}

/// `None` when no pod reported.
fn interval(
    policy: &MetricPolicy,
    measured: &Measurement,
    sums: &Sums,
    current: u32,
) -> Option<Interval> {
    let nanoseconds = |value: f64| Duration::from_nanos(value as u64);
    let threshold = nanoseconds(policy.threshold?.value());
    (sums.pods > 0).then(|| Interval {
        length: sums.length,
        ready: sums.pods,
        // Pods that do not report count as starting: no scale-down on partial data.
        starting: current.saturating_sub(sums.pods),
        on_cpu: sums.scheduling.on_cpu,
        wait: sums.scheduling.wait,
        voluntary: sums.scheduling.voluntary_switches,
        involuntary: sums.scheduling.involuntary_switches,
        throttled: sums.scheduling.throttled,
        throttled_periods: sums.scheduling.throttled_periods,
        quota_periods: sums.scheduling.quota_periods,
        limit_cores: sums.limit_cores.map(|sum| sum / f64::from(sums.pods)),
        waiting: measured
            .value
            .filter(|_| measured.events > 0)
            .map(nanoseconds),
        threshold,
    })
}
