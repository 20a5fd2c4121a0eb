//! The arithmetic of a rolling update. Pure.
//!
//! Source: upstream's `deployment/rolling.go` and `deployment/util`. Invariants (property tests
//! below): never more than desired + surge pods are asked for (unless there are more already, and
//! then no more), never fewer than desired - unavailable are kept available by choice, and it ends.

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// What one revision has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Revision {
    /// Replicas asked for (`spec.replicas`).
    pub(super) replicas: i32,
    /// Replicas that are available.
    pub(super) available: i32,
}

impl Revision {
    pub(super) fn of(set: &ReplicaSet) -> Self {
        Self {
            replicas: set.spec.replicas.unwrap_or(0),
            available: set
                .status
                .as_ref()
                .and_then(|status| status.available_replicas)
                .unwrap_or(0),
        }
    }

    fn unavailable(self) -> i32 {
        (self.replicas - self.available).max(0)
    }
}

/// What the deployment allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) desired: i32,
    /// Pods allowed above `desired`.
    pub(super) surge: i32,
    /// Pods allowed to be missing from `desired`.
    pub(super) unavailable: i32,
}

impl Bounds {
    pub(super) fn of(deployment: &Deployment) -> Self {
        let spec = &deployment.spec;
        let desired = spec.replicas.unwrap_or(1);
        let rolling = spec
            .strategy
            .as_ref()
            .and_then(|strategy| strategy.rolling_update.as_ref());
        let surge = rolling.and_then(|rolling| rolling.max_surge.as_ref());
        let unavailable = rolling.and_then(|rolling| rolling.max_unavailable.as_ref());
        Self::resolve(desired, surge, unavailable)
    }

    /// Percentages are of the desired count: surge rounds up, unavailability down. When both
    /// come to nothing, one pod may be unavailable, or the rollout could not move.
    fn resolve(
        desired: i32,
        surge: Option<&IntOrString>,
        unavailable: Option<&IntOrString>,
    ) -> Self {
        let count = |value: Option<&IntOrString>, round_up: bool| match value {
            None => 0,
            Some(IntOrString::Int(count)) => *count,
            Some(IntOrString::String(text)) => {
                let percent: i64 = text.trim_end_matches('%').parse().unwrap_or(0);
                let hundredths = i64::from(desired) * percent + if round_up { 99 } else { 0 };
                i32::try_from(hundredths / 100).unwrap_or(i32::MAX)
            }
        };
        let surge = count(surge, true).max(0);
        let unavailable = count(unavailable, false).clamp(0, desired.max(0));
        let unavailable = if surge == 0 && unavailable == 0 {
            1
        } else {
            unavailable
        };
        Self {
            desired,
            surge,
            unavailable,
        }
    }

    fn most(self) -> i32 {
        self.desired.saturating_add(self.surge)
    }

    /// Replicas that a new revision may start with beside `others`.
    pub(super) fn first_replicas(self, others: i32) -> i32 {
        (self.most() - others).clamp(0, self.desired)
    }
}

/// The replica counts to ask for next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) current: i32,
    /// In the order given.
    pub(super) old: Vec<i32>,
}

/// One step: the new revision grows into the surge; then old ones shrink by what is not needed.
/// `old` is ordered oldest first.
pub(super) fn plan(bounds: &Bounds, current: Revision, old: &[Revision]) -> Plan {
    let asked = grown(bounds, current, old);
    Plan {
        current: asked,
        old: shrunk(
            bounds,
            Revision {
                replicas: asked,
                ..current
            },
            old,
        ),
    }
}

fn grown(bounds: &Bounds, current: Revision, old: &[Revision]) -> i32 {
    if current.replicas >= bounds.desired {
        return bounds.desired;
    }
    let total = current.replicas + old.iter().map(|one| one.replicas).sum::<i32>();
    let room = (bounds.most() - total).max(0);
    current.replicas + room.min(bounds.desired - current.replicas)
}

fn shrunk(bounds: &Bounds, current: Revision, old: &[Revision]) -> Vec<i32> {
    let mut old = old.to_vec();
    let fewest = (bounds.desired - bounds.unavailable).max(0);
    // Replicas that are not available serve nobody: they go first, but no more than leaves
    // `fewest` pods besides those of the new revision that are not up yet.
    let total = current.replicas + old.iter().map(|one| one.replicas).sum::<i32>();
    let mut spare = (total - fewest - current.unavailable()).max(0);
    for one in &mut old {
        let take = one.unavailable().min(spare);
        one.replicas -= take;
        spare -= take;
    }
    // Then available ones, as far as enough others are available.
    let available = current.available.min(current.replicas)
        + old
            .iter()
            .map(|one| one.available.min(one.replicas))
            .sum::<i32>();
    let mut spare = spare.min((available - fewest).max(0));
    for one in &mut old {
        let take = one.replicas.min(spare);
        one.replicas -= take;
        spare -= take;
    }
    old.into_iter().map(|one| one.replicas).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn percent(text: &str) -> Option<IntOrString> {
        Some(IntOrString::String(text.to_owned()))
    }

    #[test]
    fn percentages_round_as_upstream() {
        let quarter = percent("25%");
        let bounds = Bounds::resolve(5, quarter.as_ref(), quarter.as_ref());
        assert_eq!(
            bounds,
            Bounds {
                desired: 5,
                surge: 2,
                unavailable: 1
            }
        );
        let bounds = Bounds::resolve(1, quarter.as_ref(), quarter.as_ref());
        assert_eq!(
            bounds,
            Bounds {
                desired: 1,
                surge: 1,
                unavailable: 0
            }
        );
        let zero = Some(IntOrString::Int(0));
        assert_eq!(
            Bounds::resolve(3, zero.as_ref(), zero.as_ref()).unavailable,
            1
        );
    }

    #[test]
    fn one_revision_is_simply_scaled() {
        let bounds = Bounds {
            desired: 8,
            surge: 2,
            unavailable: 2,
        };
        let plan = plan(
            &bounds,
            Revision {
                replicas: 1,
                available: 1,
            },
            &[],
        );
        assert_eq!(
            plan,
            Plan {
                current: 8,
                old: vec![]
            }
        );
    }

    #[test]
    fn a_rollout_starts_within_its_bounds() {
        let bounds = Bounds {
            desired: 4,
            surge: 1,
            unavailable: 1,
        };
        let old = [Revision {
            replicas: 4,
            available: 4,
        }];
        assert_eq!(bounds.first_replicas(4), 1);
        let plan = plan(
            &bounds,
            Revision {
                replicas: 1,
                available: 0,
            },
            &old,
        );
        assert_eq!(
            plan,
            Plan {
                current: 1,
                old: vec![3]
            }
        );
    }

    proptest! {
        /// Whatever pods become available in whatever order, a rollout stays in bounds and ends.
        #[test]
        fn rollouts_stay_in_bounds_and_end(
            desired in 0_i32..12,
            surge in 0_i32..5,
            unavailable in 0_i32..5,
            start in prop::collection::vec((0_i32..8, 0_i32..8), 0..4),
            starts in prop::collection::vec(0_i32..3, 64),
        ) {
            let bounds = Bounds::resolve(
                desired,
                Some(&IntOrString::Int(surge)),
                Some(&IntOrString::Int(unavailable)),
            );
            let mut old: Vec<Revision> = start
                .into_iter()
                .map(|(replicas, available)| Revision { replicas, available: available.min(replicas) })
                .collect();
            let mut current = Revision {
                replicas: bounds.first_replicas(old.iter().map(|one| one.replicas).sum()),
                available: 0,
            };
            let fewest = (desired - bounds.unavailable).max(0);
            for new_pods in starts.iter().cycle().take(400) {
                let total = |current: &Revision, old: &[Revision]| {
                    current.replicas + old.iter().map(|one| one.replicas).sum::<i32>()
                };
                let available = |current: &Revision, old: &[Revision]| {
                    current.available + old.iter().map(|one| one.available).sum::<i32>()
                };
                let (before, had) = (total(&current, &old), available(&current, &old));
                let plan = plan(&bounds, current, &old);
                current.replicas = plan.current;
                current.available = current.available.min(current.replicas);
                for (one, replicas) in old.iter_mut().zip(&plan.old) {
                    prop_assert!(*replicas >= 0 && *replicas <= one.replicas);
                    one.replicas = *replicas;
                    // A set deletes pods that are not available first.
                    one.available = one.available.min(*replicas);
                }
                prop_assert!(total(&current, &old) <= before.max(bounds.most()));
                prop_assert!(available(&current, &old) >= had.min(fewest));
                current.available = (current.available + new_pods).min(current.replicas);
            }
            if starts.iter().any(|pods| *pods > 0) {
                prop_assert_eq!(current.replicas, desired);
                prop_assert!(old.iter().all(|one| one.replicas == 0));
            }
        }
    }
}
