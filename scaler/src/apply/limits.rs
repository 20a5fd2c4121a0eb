//! How often replica counts may change.

use std::num::NonZeroU32;

use governor::clock::{Clock, DefaultClock};
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
#[derive(Debug)]
pub struct Limits<C: Clock = DefaultClock> {
    by_deployment: ByDeployment<C>,
    in_cluster: InCluster<C>,
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
    pub fn new(limits: ChangeLimits) -> Self {
        Self::with_clock(limits, DefaultClock::default())
    }
}

impl<C: Clock + Clone> Limits<C> {
    fn with_clock(limits: ChangeLimits, clock: C) -> Self {
        let deployment =
            Quota::per_minute(limits.deployment_per_minute).allow_burst(limits.deployment_burst);
        let cluster = Quota::per_second(limits.cluster_per_second).allow_burst(NonZeroU32::max(
            limits.cluster_per_second,
            limits.deployment_burst,
        ));
        Limits {
            by_deployment: RateLimiter::hashmap_with_clock(deployment, clock.clone()),
            in_cluster: RateLimiter::direct_with_clock(cluster, clock),
        }
    }

    /// Counts a change of `deployment`, or names the limit that it would exceed.
    ///
    /// # Errors
    /// The limit that is reached; nothing is counted against the cluster's then.
    pub fn check(&self, deployment: &DeploymentKey) -> Result<(), Scope> {
        if self.by_deployment.len() > TIDY_ABOVE {
            self.by_deployment.retain_recent();
        }
        self.by_deployment
            .check_key(deployment)
            .map_err(|_| Scope::Deployment)?;
        self.in_cluster.check().map_err(|_| Scope::Cluster)
    }
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
        assert_eq!([limits.check(&web), limits.check(&web)], [Ok(()), Ok(())]);
        assert_eq!(limits.check(&web), Err(Scope::Deployment));
        clock.advance(Duration::from_secs(9));
        assert_eq!(
            limits.check(&web),
            Err(Scope::Deployment),
            "6 a minute: one in 10 s"
        );
        clock.advance(Duration::from_secs(1));
        assert_eq!(limits.check(&web), Ok(()));
    }

    #[test]
    fn the_cluster_has_a_limit_of_its_own() {
        let clock = FakeRelativeClock::default();
        let limits = limits(&clock);
        let check = |name: &str| limits.check(&DeploymentKey::new("shop", name));
        assert_eq!([check("a"), check("b"), check("c")], [Ok(()); 3]);
        assert_eq!(check("d"), Err(Scope::Cluster));
    }
}
