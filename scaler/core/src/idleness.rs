//! Which pods a scale-down should take: the idle ones, so that the busy ones are spared.
//!
//! Kubernetes takes, among ready pods, those with the lowest `controller.kubernetes.io/pod-deletion-cost`
//! first (KEP-2255). Its documentation asks not to change that annotation often, so marks are made
//! only right before a scale-down, on as few pods as tell the two sets apart, and never more than
//! [`MOST_MARKS`]: either those that shall go get a negative cost, or those that shall stay a
//! positive one, whichever are fewer.

use std::sync::Arc;
use std::time::Duration;

use crate::observation::{Observation, PodObservation, PodPhase};
use crate::sample::PodUid;
use crate::time::Timestamp;
use crate::windows::Windows;

/// Most pods that are marked for one scale-down. Of a larger one, so many of the idlest are marked,
/// and Kubernetes chooses the others as it always does.
pub const MOST_MARKS: usize = 16;
/// Pods whose work differs by less than this share are alike, and there is nothing to spare.
const ALIKE: f64 = 0.8;

/// A cost to write on a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The pod's UID.
    pub uid: PodUid,
    /// Its name.
    pub name: Arc<str>,
    /// The deletion cost; never 0, which is what pods without a mark have.
    pub cost: i32,
}

/// The marks that let a scale-down by `fewer` pods take the idlest.
///
/// None when they are all alike, when a pod has not reported (what is unknown is not idle), during
/// a rollout (there the Deployment chooses between ReplicaSets first), and when pods that are not
/// ready suffice, which go before any others.
#[must_use]
pub fn spare_the_busy(
    observation: &Observation<'_>,
    fewer: u32,
    window: Duration,
    now: Timestamp,
) -> Vec<Mark> {
    let present = || observation.pods.iter().filter(|pod| is_present(pod));
    if present().any(|pod| pod.outdated) {
        return Vec::new();
    }
    let (ready, unready): (Vec<_>, Vec<_>) =
        present().partition(|pod| pod.ready && pod.phase == PodPhase::Running);
    let work: Option<Vec<(f64, &PodObservation)>> = ready
        .into_iter()
        .map(|pod| Some((work_of(pod, observation.windows, window, now)?, pod)))
        .collect();
    let Some(mut work) = work else {
        return Vec::new();
    };
    work.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.uid.cmp(&b.1.uid)));
    let amounts: Vec<f64> = work.iter().map(|(work, _)| *work).collect();
    let chosen = choose(&amounts, (fewer as usize).saturating_sub(unready.len()));
    let mark = |(index, cost): (usize, i32)| {
        let (_, pod) = work.get(index)?;
        Some(Mark {
            uid: pod.uid.clone(),
            name: pod.name.clone(),
            cost,
        })
    };
    chosen.into_iter().filter_map(mark).collect()
}

/// Whether a scale-down could take it.
fn is_present(pod: &PodObservation) -> bool {
    !pod.terminating && !matches!(pod.phase, PodPhase::Succeeded | PodPhase::Failed)
}

/// Which of the pods with these amounts of work, least first, get which cost, when `going` of them
/// shall go.
fn choose(work: &[f64], going: usize) -> Vec<(usize, i32)> {
    let (Some(least), Some(most)) = (work.first(), work.last()) else {
        return Vec::new();
    };
    if going == 0 || going >= work.len() || *least >= ALIKE * *most {
        return Vec::new();
    }
    let staying = work.len() - going;
    // At most MOST_MARKS, which any cost has room for.
    if going <= staying || staying > MOST_MARKS {
        let marks = going.min(MOST_MARKS);
        (0..marks)
            .map(|index| (index, index as i32 - marks as i32))
            .collect()
    } else {
        (0..staying)
            .map(|index| (going + index, index as i32 + 1))
            .collect()
    }
}

/// Threads of the pod that ran or wanted to, on average; `None` when one of its containers has not
/// been heard of, or the scheduler hook is not attached.
fn work_of(
    pod: &PodObservation,
    windows: &Windows,
    window: Duration,
    now: Timestamp,
) -> Option<f64> {
    let mut work = 0.0;
    for container in &pod.containers {
        let (mut runnable, mut elapsed) = (0.0, 0.0);
        for sample in windows.recent(&pod.uid, &container.name, window, now)? {
            let scheduling = sample.scheduling()?;
            runnable += scheduling.on_cpu.as_secs_f64() + scheduling.wait.as_secs_f64();
            elapsed += sample.interval().as_secs_f64();
        }
        if elapsed <= 0.0 {
            return None;
        }
        work += runnable / elapsed;
    }
    Some(work)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_fewer_are_marked() {
        let work = [0.1, 0.2, 0.5, 0.9, 1.0];
        assert_eq!(choose(&work, 1), [(0, -1)]);
        assert_eq!(choose(&work, 2), [(0, -2), (1, -1)]);
        assert_eq!(choose(&work, 3), [(3, 1), (4, 2)]);
        assert!(choose(&work, 5).is_empty(), "all go");
        assert!(choose(&work, 0).is_empty());
        assert!(choose(&[0.9, 0.95, 1.0], 1).is_empty(), "alike");
        assert!(choose(&[0.0, 0.0], 1).is_empty(), "both idle");
        assert!(choose(&[], 1).is_empty());
    }

    proptest! {
        /// Sorted by cost as Kubernetes does, those that go are the ones with the least work.
        #[test]
        fn no_pod_goes_before_an_idler_one(
            mut work in proptest::collection::vec(0.0f64..4.0, 0..80),
            going in 0usize..90,
        ) {
            work.sort_by(f64::total_cmp);
            let marks = choose(&work, going);
            prop_assert!(marks.len() <= MOST_MARKS);
            prop_assert!(marks.iter().all(|(index, cost)| *index < work.len() && *cost != 0));
            let mut costs = vec![0; work.len()];
            for (index, cost) in &marks {
                costs[*index] = *cost;
            }
            prop_assert!(costs.is_sorted(), "{costs:?}");
            // Where all of one side fit, the cost tells the two sides apart.
            let staying = work.len().saturating_sub(going);
            if !marks.is_empty() && going.min(staying) <= MOST_MARKS {
                prop_assert!(costs[going - 1] < costs[going], "{costs:?}");
            }
        }
    }
}
