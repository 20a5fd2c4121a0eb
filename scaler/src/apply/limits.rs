//! How often replica counts may change.

use std::num::NonZeroU32;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use serde::Serialize;

use crate::config::ChangeLimits;
use crate::workloads::DeploymentKey;

/// Above this many deployments, those that have not changed lately are forgotten.
const TIDY_ABOVE: usize = 1024;

type Instant<C> = <C as Clock>::Instant;
type ByDeployment<C> =
    RateLimiter<DeploymentKey, HashMapStateStore<DeploymentKey>, C, NoOpMiddleware<Instant<C>>>;
type InCluster<C> = RateLimiter<NotKeyed, InMemoryState, C, NoOpMiddleware<Instant<C>>>;

/// Limits of changes: of each deployment, and of the cluster.
///
/// Scale-downs may take half of the cluster's limit at most: when everything shrinks at once, and
/// one deployment needs more, that one does not wait behind the others.
#[derive(Debug)]
pub struct Limits<C: Clock = crate::clock::Clock> {
    by_deployment: ByDeployment<C>,
    in_cluster: InCluster<C>,
    /// Half of `in_cluster`, for scale-downs.
    downs_in_cluster: InCluster<C>,
}

/// Which way a replica count changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// More replicas.
    Up,
    /// Fewer replicas.
    Down,
}

/// Whose limit was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Scope {
    /// The deployment's own.
    Deployment,
    /// That of all deployments together.
    Cluster,
}

impl Limits {
    /// Fresh limits: the whole burst is free.
    pub fn new(limits: ChangeLimits, clock: crate::clock::Clock) -> Self {
        Self::with_clock(limits, clock)
    }
}

impl<C: Clock + Clone> Limits<C> {
    fn with_clock(limits: ChangeLimits, clock: C) -> Self {
        let deployment =
            Quota::per_minute(limits.deployment_per_minute).allow_burst(limits.deployment_burst);
        let burst = limits.cluster_per_second.max(limits.deployment_burst);
        let cluster = Quota::per_second(limits.cluster_per_second).allow_burst(burst);
        let downs = Quota::per_second(half(limits.cluster_per_second)).allow_burst(half(burst));
        Limits {
            by_deployment: RateLimiter::hashmap_with_clock(deployment, clock.clone()),
            in_cluster: RateLimiter::direct_with_clock(cluster, clock.clone()),
            downs_in_cluster: RateLimiter::direct_with_clock(downs, clock),
        }
    }

    /// Counts a change of `deployment`, or names the limit that it would exceed.
    ///
    /// # Errors
    /// The limit that is reached; nothing is counted against the cluster's then.
    pub fn check(&self, deployment: &DeploymentKey, direction: Direction) -> Result<(), Scope> {
        if self.by_deployment.len() > TIDY_ABOVE {
            self.by_deployment.retain_recent();
        }
        self.by_deployment
            .check_key(deployment)
            .map_err(|_| Scope::Deployment)?;
        if direction == Direction::Down {
            self.downs_in_cluster.check().map_err(|_| Scope::Cluster)?;
        }
        self.in_cluster.check().map_err(|_| Scope::Cluster)
    }
}

/// Half, rounded up.
fn half(n: NonZeroU32) -> NonZeroU32 {
    NonZeroU32::new(n.get().div_ceil(2)).unwrap_or(n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use governor::clock::FakeRelativeClock;
    use std::time::Duration;

    fn limits(clock: &FakeRelativeClock) -> Limits<FakeRelativeClock> {
        let n = |n| NonZeroU32::new(n).unwrap();
        let limits = ChangeLimits {
            deployment_per_minute: n(6),
            deployment_burst: n(2),
            cluster_per_second: n(3),
        };
        Limits::with_clock(limits, clock.clone())
    }

    #[test]
    fn a_deployment_has_a_burst_and_then_its_rate() {
        let clock = FakeRelativeClock::default();
        let limits = limits(&clock);
        let web = DeploymentKey::new("shop", "web");
        let check = || limits.check(&web, Direction::Up);
        assert_eq!([check(), check()], [Ok(()), Ok(())]);
        assert_eq!(check(), Err(Scope::Deployment));
        clock.advance(Duration::from_secs(9));
        assert_eq!(check(), Err(Scope::Deployment), "6 a minute: one in 10 s");
        clock.advance(Duration::from_secs(1));
        assert_eq!(check(), Ok(()));
    }

    #[test]
    fn the_cluster_has_a_limit_of_its_own() {
        let clock = FakeRelativeClock::default();
        let limits = limits(&clock);
        let check = |name: &str| limits.check(&DeploymentKey::new("shop", name), Direction::Up);
        assert_eq!([check("a"), check("b"), check("c")], [Ok(()); 3]);
        assert_eq!(check("d"), Err(Scope::Cluster));
    }

    #[test]
    fn scale_downs_leave_room_for_scale_ups() {
        let clock = FakeRelativeClock::default();
        let limits = limits(&clock);
        let check = |name: &str, way| limits.check(&DeploymentKey::new("shop", name), way);
        let down = |name| check(name, Direction::Down);
        assert_eq!([down("a"), down("b")], [Ok(()); 2], "half of 3, rounded up");
        assert_eq!(down("c"), Err(Scope::Cluster));
        assert_eq!(check("d", Direction::Up), Ok(()));
        assert_eq!(check("e", Direction::Up), Err(Scope::Cluster));
    }
}
