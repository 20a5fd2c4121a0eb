//! How long it takes from a report that crosses a threshold to the replica count that follows.
//!
//! ```text
//!  heat one container ─▶ its agent's next report, t0 = handed to the connection
//!      ─▶ scaler: window ─▶ decision ─▶ PATCH ─▶ API server ─▶ watch, t1 = seen here
//! ```
//!
//! t1 - t0 is measured on one clock and is longer than the path that counts by the way of the watch
//! event, some milliseconds: an upper bound. Each deployment is used once: after its change it has
//! fewer pods than replicas, which nobody starts here, and would be judged otherwise.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use anyhow::Result;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::agent::Crossed;
use super::agents::Fleet;
use super::plan::{Plan, deployment_number};
use crate::replicas::Announcement;

/// Time between two crossings, at least: half of the changes that the scaler allows itself in a
/// cluster, which are 20 a second.
const FASTEST: Duration = Duration::from_millis(100);
/// A crossing that no change has followed by then has none.
const GIVE_UP: Duration = Duration::from_secs(5);

/// Makes deployments cross their threshold, one after the other, and times what follows.
#[derive(Debug)]
pub(super) struct Probe {
    plan: Plan,
    /// The deployment that is next.
    next: u32,
    /// By node: the deployment that its next hot report is about. One at a time.
    heated: HashMap<u32, u32>,
    /// By deployment: when its hot report left.
    crossed: HashMap<u32, SystemTime>,
    /// By deployment: its replicas as last announced.
    replicas: Vec<u32>,
    pub(super) outcome: Outcome,
}

/// What was measured.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// From report to change, in the order of the changes.
    pub(super) latencies: Vec<Duration>,
    /// Crossings without a change in time.
    pub(super) unanswered: u64,
    /// Changes that nobody asked for.
    pub(super) unasked: u64,
}

impl Probe {
    pub(super) fn new(plan: Plan) -> Self {
        let replicas = (0..plan.deployments).map(|one| plan.pods_of(one).len() as u32);
        Self {
            plan,
            next: 0,
            heated: HashMap::new(),
            crossed: HashMap::new(),
            replicas: replicas.collect(),
            outcome: Outcome::default(),
        }
    }

    /// Makes deployments cross for `time`, and then waits for the last changes.
    ///
    /// # Errors
    /// When the API server can no longer be watched.
    pub(super) async fn run(
        &mut self,
        time: Duration,
        fleet: &Fleet,
        hot_reports: &mut mpsc::Receiver<Crossed>,
        announcements: &mut mpsc::Receiver<Result<Announcement>>,
    ) -> Result<()> {
        // One more, so that the last has its turn before the end.
        let left = f64::from(self.plan.deployments - self.next) + 1.0;
        let pace = time.div_f64(left).max(FASTEST);
        let mut ticks = interval_at(Instant::now() + pace, pace);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let heating_ends = Instant::now() + time;
        let ends = heating_ends + GIVE_UP;
        while Instant::now() < ends {
            tokio::select! {
                biased;
                Some(announced) = announcements.recv() => self.announced(&announced?),
                Some(crossed) = hot_reports.recv() => self.left(crossed),
                _ = ticks.tick() => if Instant::now() < heating_ends {
                    self.heat(fleet);
                } else if self.heated.is_empty() && self.crossed.is_empty() {
                    break;
                },
                () = tokio::time::sleep_until(ends) => break,
            }
        }
        self.outcome.unanswered += self.crossed.drain().count() as u64;
        self.heated.clear();
        Ok(())
    }

    fn heat(&mut self, fleet: &Fleet) {
        if self.next >= self.plan.deployments {
            return;
        }
        let pod = self.plan.pods_of(self.next).start;
        let node = self.plan.node_of(pod);
        if self.heated.contains_key(&node) {
            // Its report is still to come; the deployment has its turn at the next tick.
            return;
        }
        fleet.heat(node, pod / self.plan.nodes);
        self.heated.insert(node, self.next);
        self.next += 1;
    }

    fn left(&mut self, crossed: Crossed) {
        if let Some(deployment) = self.heated.remove(&crossed.node) {
            self.crossed.insert(deployment, crossed.at);
        }
    }

    fn announced(&mut self, announcement: &Announcement) {
        let Some(deployment) = deployment_number(&announcement.deployment) else {
            return;
        };
        let Some(known) = self.replicas.get_mut(deployment as usize) else {
            return;
        };
        if *known == announcement.replicas.desired {
            return;
        }
        *known = announcement.replicas.desired;
        match self.crossed.remove(&deployment) {
            Some(left_at) => {
                let took = announcement.at.duration_since(left_at).unwrap_or_default();
                self.outcome.latencies.push(took);
            }
            None => self.outcome.unasked += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replicas::Replicas;

    fn announced(deployment: &str, desired: u32, after: Duration) -> Announcement {
        Announcement {
            at: SystemTime::UNIX_EPOCH + after,
            deployment: deployment.to_owned(),
            replicas: Replicas { ready: 75, desired },
        }
    }

    #[test]
    fn only_a_change_that_follows_a_crossing_is_timed() {
        let mut probe = Probe::new(Plan::new(50, 30, Some(20)));
        let at = Duration::from_millis;
        probe.announced(&announced("app-3", 75, at(0)));
        probe.heated.insert(7, 3);
        let crossed = Crossed {
            node: 7,
            at: SystemTime::UNIX_EPOCH + at(100),
        };
        probe.left(crossed);
        probe.announced(&announced("app-3", 75, at(110)));
        probe.announced(&announced("app-3", 95, at(140)));
        probe.announced(&announced("app-3", 96, at(900)));
        probe.announced(&announced("kubernetes", 1, at(900)));
        assert_eq!(probe.outcome.latencies, [at(40)]);
        assert_eq!((probe.outcome.unasked, probe.outcome.unanswered), (1, 0));
    }
}
