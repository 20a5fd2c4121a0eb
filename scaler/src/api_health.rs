//! Whether the API server can be used, as far as each of its users notices.
//!
//! ```text
//! watches, lease, writes ─▶ ApiHealth ─▶ /ready (shown, never a reason to be unready)
//!                                    ├─▶ viperscale_api_failing_seconds{source}
//!                                    └─▶ decisions hold (`ClusterSilent`) when watches fail for long
//! ```
//!
//! An outage of the API server is no reason to restart a scaler, so it does not make it unready: what
//! it knows stays useful, and a restart would only lose it. But everyone may know.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use scaler_core::RivalKind;
use serde::Serialize;
use tokio::time::Instant;

use crate::crd;
use crate::workloads::Resource;

/// A failure that was not repeated for this long is over, though nobody said so: a watch that goes on
/// from where it was is silent until something happens. Longer than it takes to notice that an
/// attempt failed (`cluster`'s read timeout) and to try again.
const OVER_AFTER: Duration = Duration::from_secs(60);
/// It is over sooner where somebody else is answered: by then it was tried again, and did not fail.
/// The longest delay between attempts, and the time to connect.
const RETRIED_AFTER: Duration = Duration::from_secs(15);
/// A watch that has failed for longer than this leaves what is known too old to act on. Shorter
/// failures are restarts of API servers, which change little.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longer than a conflict or a single lost packet, shorter than anybody's patience.
const WORTH_TELLING: Duration = Duration::from_secs(5);

/// Who uses the API server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The watch of one kind of object.
    Watch(Resource),
    /// The watch of one kind of other autoscalers.
    Rivals(RivalKind),
    /// Policies that are objects.
    Policies,
    /// Leader election.
    Lease,
    /// PATCHes of replica counts.
    Write,
}

impl Source {
    const ALL: [Source; 8] = [
        Source::Watch(Resource::Deployments),
        Source::Watch(Resource::ReplicaSets),
        Source::Watch(Resource::Pods),
        Source::Rivals(RivalKind::HorizontalPodAutoscaler),
        Source::Rivals(RivalKind::ScaledObject),
        Source::Policies,
        Source::Lease,
        Source::Write,
    ];

    /// Its name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Source::Watch(resource) => resource.name(),
            Source::Rivals(RivalKind::HorizontalPodAutoscaler) => "horizontalpodautoscalers",
            Source::Rivals(RivalKind::ScaledObject) => "scaledobjects",
            Source::Policies => crd::PLURAL,
            Source::Lease => "leases",
            Source::Write => "deployments/scale",
        }
    }

    fn index(self) -> usize {
        match self {
            Source::Watch(Resource::Deployments) => 0,
            Source::Watch(Resource::ReplicaSets) => 1,
            Source::Watch(Resource::Pods) => 2,
            Source::Rivals(RivalKind::HorizontalPodAutoscaler) => 3,
            Source::Rivals(RivalKind::ScaledObject) => 4,
            Source::Policies => 5,
            Source::Lease => 6,
            Source::Write => 7,
        }
    }

    /// Whether decisions are made from what it tells. Policies are not among it: one that cannot be
    /// seen stays in force, as a file that cannot be read does.
    fn is_watch(self) -> bool {
        matches!(self, Source::Watch(_) | Source::Rivals(_))
    }
}

/// Since when each source has failed. Copies are of one whole.
#[derive(Debug, Clone, Default)]
pub struct ApiHealth {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    failures: [Option<Failure>; Source::ALL.len()],
    /// When the API server last answered anybody.
    answered: Option<Instant>,
}

/// A row of failures without an answer in between.
#[derive(Debug, Clone)]
struct Failure {
    first: Instant,
    last: Instant,
    /// The last one's, in words.
    problem: String,
}

impl State {
    /// The failure of `source`, while it lasts.
    fn failure(&self, source: Source) -> Option<&Failure> {
        let failure = self.failures[source.index()].as_ref()?;
        let since = |then: Instant| then.saturating_duration_since(failure.last);
        let retried = self
            .answered
            .is_some_and(|answered| since(answered) >= RETRIED_AFTER);
        (failure.last.elapsed() < OVER_AFTER && !retried).then_some(failure)
    }
}

/// One source that fails.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failing {
    /// What cannot be reached.
    pub resource: &'static str,
    /// For how long, in seconds.
    pub seconds: f64,
}

impl ApiHealth {
    /// The API server answered `source` as it should; a conflict is an answer too.
    pub fn works(&self, source: Source) {
        let mut state = self.lock();
        state.failures[source.index()] = None;
        state.answered = Some(Instant::now());
    }

    /// It did not, or refused.
    pub fn failed(&self, source: Source, problem: &str) {
        let now = Instant::now();
        let mut state = self.lock();
        let first = state.failure(source).map_or(now, |failure| failure.first);
        state.failures[source.index()] = Some(Failure {
            first,
            last: now,
            problem: problem.to_owned(),
        });
    }

    /// For how long each source has failed now, zero for one that works; for gauges.
    pub fn all(&self) -> Vec<(Source, Duration)> {
        let state = self.lock();
        let failing = |source: Source| {
            let failure = state.failure(source);
            failure.map_or(Duration::ZERO, |failure| failure.first.elapsed())
        };
        Source::ALL.map(|source| (source, failing(source))).into()
    }

    /// Why what is known of the cluster is too old to act on; `None` while it is fresh.
    ///
    /// Only failures that were seen to last count: after a single one the watch may long be quiet
    /// because nothing happens.
    pub fn outdated(&self) -> Option<String> {
        let state = self.lock();
        Source::ALL
            .into_iter()
            .filter(|source| source.is_watch())
            .find_map(|source| {
                let failure = state.failure(source)?;
                let lasted = failure.last.duration_since(failure.first);
                (lasted > PATIENCE).then(|| {
                    let seconds = failure.first.elapsed().as_secs();
                    let problem = &failure.problem;
                    format!(
                        "the watch of {} has failed for {seconds} s ({problem})",
                        source.name()
                    )
                })
            })
    }

    /// What has failed for long enough to tell people.
    pub fn failing(&self) -> Vec<Failing> {
        self.all()
            .into_iter()
            .filter(|(_, failing)| *failing >= WORTH_TELLING)
            .map(|(source, failing)| Failing {
                resource: source.name(),
                seconds: failing.as_secs_f64(),
            })
            .collect()
    }

    /// Each change is an assignment or two that cannot panic, so a poisoned lock still guards a whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    const PODS: Source = Source::Watch(Resource::Pods);

    #[tokio::test(start_paused = true)]
    async fn a_failure_lasts_until_an_answer() {
        let health = ApiHealth::default();
        health.clone().failed(PODS, "no route");
        advance(Duration::from_secs(4)).await;
        assert!(health.failing().is_empty(), "not long enough to tell");
        health.failed(PODS, "no route");
        advance(Duration::from_secs(1)).await;
        let [Failing { resource, seconds }] = health.failing()[..] else {
            panic!("{:?}", health.failing());
        };
        assert_eq!((resource, seconds), ("pods", 5.0), "since the first one");
        health.works(PODS);
        assert!(health.failing().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_known_is_old_once_a_watch_was_seen_to_fail_for_long() {
        let health = ApiHealth::default();
        let fail = async |source, after| {
            advance(Duration::from_secs(after)).await;
            health.failed(source, "no route");
        };
        fail(PODS, 0).await;
        fail(PODS, 20).await;
        advance(Duration::from_secs(20)).await;
        assert_eq!(health.outdated(), None, "it may be quiet since");
        fail(PODS, 0).await;
        assert_eq!(
            health.outdated().as_deref(),
            Some("the watch of pods has failed for 40 s (no route)")
        );
        advance(OVER_AFTER).await;
        assert_eq!(health.outdated(), None, "nobody tries in vain any more");
        fail(PODS, 0).await;
        fail(PODS, 29).await;
        assert_eq!(health.outdated(), None, "a new failure");
        fail(PODS, 29).await;
        assert!(health.outdated().is_some());
        advance(RETRIED_AFTER).await;
        assert!(health.outdated().is_some(), "nobody is answered");
        health.works(Source::Lease);
        assert_eq!(health.outdated(), None, "others are, so it goes on quietly");
        fail(Source::Lease, 0).await;
        fail(Source::Lease, 40).await;
        assert_eq!(health.outdated(), None, "a lease is no picture");
    }

    #[test]
    fn every_source_has_its_place() {
        for (index, source) in Source::ALL.into_iter().enumerate() {
            assert_eq!(source.index(), index);
        }
    }
}
