//! How soon a load step is answered, and how steadily.

use super::curve::Curve;
use super::{FirstPatch, Reaction};
use crate::record::{ReplicaSample, RequestRecord};

/// Seconds without a failed request, at the end of a trial, after which it counts as recovered.
const QUIET_SECONDS: f64 = 5.0;

/// A change of `spec.replicas`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Patch<'a> {
    pub(super) at: f64,
    pub(super) deployment: &'a str,
    pub(super) from: u32,
    pub(super) to: u32,
}

/// The changes of `spec.replicas` of one deployment, from its curve.
pub(super) fn patches<'a>(
    deployment: &'a str,
    desired: &Curve<u32>,
) -> impl Iterator<Item = Patch<'a>> {
    let pairs: Vec<_> = desired
        .points()
        .windows(2)
        .map(|pair| Patch {
            at: pair[1].0,
            deployment,
            from: pair[0].1,
            to: pair[1].1,
        })
        .collect();
    pairs.into_iter()
}

/// How often growth is followed by shrinking or the other way round.
pub(super) fn direction_changes(desired: &Curve<u32>) -> u32 {
    let grows: Vec<bool> = desired
        .points()
        .windows(2)
        .map(|pair| pair[1].1 > pair[0].1)
        .collect();
    let changes = grows.windows(2).filter(|pair| pair[0] != pair[1]).count();
    u32::try_from(changes).unwrap_or(u32::MAX)
}

/// The answer to a step at `step`. `patches` and `requests` in order of time, within the trial.
pub(super) fn reaction(
    patches: &[Patch<'_>],
    requests: &[&RequestRecord],
    step: f64,
    horizon: f64,
) -> Reaction {
    let first = patches
        .iter()
        .find(|patch| patch.at >= step && patch.to > patch.from);
    let before = patches.iter().filter(|patch| patch.at < step).count();
    Reaction {
        first_patch: first.map(|patch| FirstPatch {
            after_step_seconds: patch.at - step,
            deployment: patch.deployment.to_owned(),
            from: patch.from,
            to: patch.to,
        }),
        patches_before_step: u32::try_from(before).unwrap_or(u32::MAX),
        recovery_seconds: recovery(requests, step, horizon),
        observed_seconds: (horizon - step).max(0.0),
    }
}

fn recovery(requests: &[&RequestRecord], step: f64, horizon: f64) -> Option<f64> {
    let last_failure = requests
        .iter()
        .filter(|request| !request.ok && request.at >= step)
        .map(|request| request.at)
        .fold(None, |last: Option<f64>, at| {
            Some(last.map_or(at, |last| last.max(at)))
        });
    let Some(last_failure) = last_failure else {
        return Some(0.0);
    };
    let end_of_second = (last_failure - step).floor() + 1.0;
    (horizon - last_failure >= QUIET_SECONDS).then_some(end_of_second)
}

/// The curve of what a deployment asked for, and of what was ready.
pub(super) fn replicas<'a>(
    samples: impl Iterator<Item = &'a ReplicaSample> + Clone,
    horizon: f64,
) -> Option<(Curve<u32>, Curve<u32>)> {
    let desired = Curve::new(samples.clone().map(|s| (s.at, s.desired)), horizon)?;
    let ready = Curve::new(samples.map(|s| (s.at, s.ready)), horizon)?;
    Some((desired, ready))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(at: f64, ok: bool) -> RequestRecord {
        RequestRecord {
            at,
            route: "GET /".into(),
            status: 200,
            ms: 1.0,
            ok,
            error: None,
        }
    }

    fn recovery_of(failures: &[f64]) -> Option<f64> {
        let requests: Vec<_> = failures.iter().map(|at| request(*at, false)).collect();
        recovery(&requests.iter().collect::<Vec<_>>(), 20.0, 120.0)
    }

    #[test]
    fn recovery_is_the_end_of_the_last_second_with_a_failure() {
        assert_eq!(recovery_of(&[]), Some(0.0));
        assert_eq!(recovery_of(&[3.0]), Some(0.0), "before the step");
        assert_eq!(recovery_of(&[20.5, 31.25, 25.0]), Some(12.0));
        assert_eq!(recovery_of(&[115.0]), Some(96.0));
        assert_eq!(recovery_of(&[116.0]), None, "it may go on");
    }

    #[test]
    fn the_first_growth_after_the_step_is_the_answer() {
        let desired =
            Curve::new([(0.0, 1), (5.0, 2), (22.0, 1), (23.5, 4), (30.0, 6)], 120.0).unwrap();
        let patches: Vec<_> = patches("cart", &desired).collect();
        let reaction = reaction(&patches, &[], 20.0, 120.0);
        assert_eq!(reaction.patches_before_step, 1);
        assert_eq!(
            reaction.first_patch,
            Some(FirstPatch {
                after_step_seconds: 3.5,
                deployment: "cart".into(),
                from: 1,
                to: 4,
            })
        );
        assert_eq!(direction_changes(&desired), 2);
        assert_eq!(reaction.observed_seconds, 100.0);
    }
}
