//! Which replica counts changed lately, as the watch saw it.
//!
//! Every scaler keeps this, the standbys too: it is from here that a new leader knows what the one
//! before it did, without having been told, and so keeps to the rate limits of `behavior` from its
//! first decision on. Changes by people and other programs are in it as well, which makes a new
//! leader at most more careful than the old one.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use scaler_core::Timestamp;

use super::Uid;

/// As far back as any policy's rate limit looks.
const KEPT_FOR: Duration = Duration::from_secs(3600);
/// Changes of one deployment; the two oldest are merged into one when it is full, which counts their
/// sum at the later of their times: too careful rather than not careful enough.
const PER_DEPLOYMENT: usize = 64;

/// One change of `spec.replicas`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplicaChange {
    /// When it was seen.
    pub at: Timestamp,
    /// Replicas before.
    pub from: u32,
    /// Replicas after.
    pub to: u32,
}

/// The changes of every Deployment. Bounded: [`PER_DEPLOYMENT`] for each that exists.
#[derive(Debug, Clone, Default)]
pub struct ReplicaLog {
    changes: HashMap<Uid, VecDeque<ReplicaChange>>,
}

impl ReplicaLog {
    /// A Deployment's replicas changed.
    pub fn note(&mut self, deployment: &Uid, change: ReplicaChange) {
        if change.from == change.to {
            return;
        }
        let changes = self.changes.entry(deployment.clone()).or_default();
        while changes
            .front()
            .is_some_and(|oldest| change.at.since(oldest.at) > KEPT_FOR)
        {
            changes.pop_front();
        }
        // Ups and downs are limited apart, so only neighbours of one direction may be merged.
        if changes.len() >= PER_DEPLOYMENT
            && let Some(place) = (1..changes.len()).find(|&i| up(changes[i]) == up(changes[i - 1]))
        {
            changes[place].from = changes[place - 1].from;
            changes.remove(place - 1);
        } else if changes.len() >= PER_DEPLOYMENT {
            changes.pop_front();
        }
        changes.push_back(change);
    }

    /// A Deployment is gone.
    pub fn forget(&mut self, deployment: &str) {
        self.changes.remove(deployment);
    }

    /// The changes of a Deployment, oldest first.
    pub fn of(&self, deployment: &str) -> Vec<ReplicaChange> {
        let changes = self.changes.get(deployment);
        changes
            .map(|changes| changes.iter().copied().collect())
            .unwrap_or_default()
    }
}

fn up(change: ReplicaChange) -> bool {
    change.to > change.from
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(at: u64, from: u32, to: u32) -> ReplicaChange {
        ReplicaChange {
            at: Timestamp::from_secs(at),
            from,
            to,
        }
    }

    #[test]
    fn what_did_not_change_is_no_change_and_what_is_old_is_forgotten() {
        let (mut log, web) = (ReplicaLog::default(), Uid::from("d1"));
        log.note(&web, change(0, 1, 1));
        assert!(log.of("d1").is_empty());
        log.note(&web, change(0, 1, 2));
        log.note(&web, change(3601, 2, 3));
        assert_eq!(log.of("d1"), [change(3601, 2, 3)]);
        log.forget("d1");
        assert!(log.of("d1").is_empty());
    }

    #[test]
    fn a_full_log_loses_no_replica_that_was_added() {
        let (mut log, web) = (ReplicaLog::default(), Uid::from("d1"));
        for n in 0..200 {
            log.note(&web, change(u64::from(n), n, n + 1));
        }
        let kept = log.of("d1");
        assert_eq!(kept.len(), PER_DEPLOYMENT);
        let added: u32 = kept.iter().map(|change| change.to - change.from).sum();
        assert_eq!(added, 200);
    }
}
