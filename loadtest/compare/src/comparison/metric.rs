//! The metrics of the verdict: what each is called, and where its value comes from.

use super::thesis::uses_recommendation;
use super::{Better, Metric};
use crate::Measures;
use crate::statistics::Value;

impl Metric {
    /// All, the most important first.
    pub const ALL: [Self; 13] = [
        Self::FailedRequests,
        Self::FailedRecommendationRequests,
        Self::ReplicaSeconds,
        Self::FirstPatch,
        Self::Recovery,
        Self::LatencyP95,
        Self::LatencyP99,
        Self::UnderProvisioned,
        Self::OverProvisioned,
        Self::CpuPerServedPage,
        Self::OverheadCpuSeconds,
        Self::DirectionChanges,
        Self::Requests,
    ];

    /// For people.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::FailedRequests => "Failed requests",
            Self::FailedRecommendationRequests => "Failed requests that need Recommendation",
            Self::ReplicaSeconds => "Replica-seconds",
            Self::FirstPatch => "Load step to first patch",
            Self::Recovery => "Load step to recovery",
            Self::LatencyP95 => "Latency p95",
            Self::LatencyP99 => "Latency p99",
            Self::UnderProvisioned => "Under-provisioned replica-seconds",
            Self::OverProvisioned => "Over-provisioned replica-seconds",
            Self::CpuPerServedPage => "CPU time of the shop per served page",
            Self::OverheadCpuSeconds => "CPU time of the autoscaler",
            Self::DirectionChanges => "Direction changes",
            Self::Requests => "Requests answered",
        }
    }

    /// As in files.
    #[must_use]
    pub const fn slug(self) -> &'static str {
        match self {
            Self::FailedRequests => "failed_requests",
            Self::FailedRecommendationRequests => "failed_recommendation_requests",
            Self::ReplicaSeconds => "replica_seconds",
            Self::FirstPatch => "first_patch",
            Self::Recovery => "recovery",
            Self::LatencyP95 => "latency_p95",
            Self::LatencyP99 => "latency_p99",
            Self::UnderProvisioned => "under_provisioned",
            Self::OverProvisioned => "over_provisioned",
            Self::CpuPerServedPage => "cpu_per_served_page",
            Self::OverheadCpuSeconds => "overhead_cpu_seconds",
            Self::DirectionChanges => "direction_changes",
            Self::Requests => "requests",
        }
    }

    /// Unit of its values; empty for counts.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        match self {
            Self::FirstPatch | Self::Recovery | Self::OverheadCpuSeconds => "s",
            Self::LatencyP95 | Self::LatencyP99 | Self::CpuPerServedPage => "ms",
            Self::ReplicaSeconds | Self::UnderProvisioned | Self::OverProvisioned => "replica-s",
            Self::FailedRequests
            | Self::FailedRecommendationRequests
            | Self::DirectionChanges
            | Self::Requests => "",
        }
    }

    /// Which direction is good.
    #[must_use]
    pub const fn better(self) -> Better {
        match self {
            Self::Requests => Better::Higher,
            _ => Better::Lower,
        }
    }

    /// Its value in one trial; none where it was not measured. What did not happen before the horizon took at least
    /// until then; where nobody got a page, the latency was at least the `page_timeout_ms`.
    pub(crate) fn value(self, measures: &Measures, page_timeout_ms: f64) -> Option<Value> {
        let reaction = &measures.reaction;
        let latency = measures.latency;
        // Counts of requests are far below 2^53.
        Some(match self {
            Self::FailedRequests => Value::exact(measures.failed_requests as f64),
            Self::FailedRecommendationRequests => {
                let routes = measures.routes.iter();
                let failed = routes.filter(|(route, _)| uses_recommendation(route));
                Value::exact(failed.map(|(_, r)| r.failed_requests).sum::<u64>() as f64)
            }
            Self::ReplicaSeconds => Value::exact(measures.replica_seconds),
            Self::FirstPatch => {
                let patch = reaction.first_patch.as_ref();
                let after = patch.map(|patch| patch.after_step_seconds);
                Value::or_at_least(after, reaction.observed_seconds)
            }
            Self::Recovery => {
                Value::or_at_least(reaction.recovery_seconds, reaction.observed_seconds)
            }
            Self::LatencyP95 => Value::or_at_least(latency.map(|l| l.p95_ms), page_timeout_ms),
            Self::LatencyP99 => Value::or_at_least(latency.map(|l| l.p99_ms), page_timeout_ms),
            Self::UnderProvisioned => Value::exact(measures.under_replica_seconds),
            Self::OverProvisioned => Value::exact(measures.over_replica_seconds),
            Self::CpuPerServedPage => Value::exact(measures.cpu_ms_per_served_page()?),
            Self::OverheadCpuSeconds => Value::exact(measures.overhead_cpu_seconds?),
            Self::DirectionChanges => Value::exact(f64::from(measures.direction_changes)),
            Self::Requests => Value::exact(measures.requests as f64),
        })
    }
}
