//! Writes the status of policies that are custom resources.
//!
//! ```text
//! policies (which objects) ─┐
//! journal (decisions) ──────┴─▶ report ─▶ different from what was written? ─▶ limits ─▶ gate ─▶ PATCH
//! ```
//!
//! Nothing is queued: each round starts from what is true now, so a status that had to wait is written
//! with newer content. What somebody would act on is written at once; measured values only every
//! [`VALUES_EVERY`]. Memory is one status for each object. A policy that is refused is told of by an
//! Event as well, once its status says so.

mod refusal;
mod write;

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use kube::Client;
use scaler_core::Timestamp;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing::{debug, warn};

use super::Leadership;
use crate::clock::Clock;
use crate::controller::{Journal, Standpoint};
use crate::crd::{Difference, Findings, ScalingPolicyStatus, Standing, difference, report};
use crate::events::{Cause, Events};
use crate::metrics;
use crate::policies::{ObjectKey, PolicyObject, PolicySet};
use refusal::{refusal, told_on};
use write::{Failure, write};

const ROUND: Duration = Duration::from_millis(500);
/// Measured values alone are written this often.
const VALUES_EVERY: Duration = Duration::from_secs(30);
/// States that keep changing are written this often.
const STATES_EVERY: Duration = Duration::from_secs(2);
/// Requests under way at once.
const CONCURRENT: usize = 8;
/// Statuses in the whole cluster per second; some 2,000 policies' values in 30 s need 67.
const PER_SECOND: NonZeroU32 = NonZeroU32::MIN.saturating_add(99);
/// What a predecessor wrote stands for this long, unless a decision says otherwise before: a new leader
/// that knows nothing yet is no news.
const SETTLING: Duration = Duration::from_secs(10);
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);

/// What the writer works with.
pub struct StatusInputs {
    /// The way to the API server.
    pub client: Client,
    /// Asked before each write.
    pub leadership: Leadership,
    /// Which objects there are, and which of them count.
    pub policies: watch::Receiver<PolicySet>,
    /// What was decided.
    pub journal: Arc<Journal>,
    /// Takes what is to be told of refused policies.
    pub events: Events,
    /// Turns moments of decisions into wall time.
    pub clock: Clock,
}

/// What was written for one object.
#[derive(Debug)]
struct Written {
    uid: String,
    status: ScalingPolicyStatus,
    at: Instant,
}

/// What keeps an object from being written now.
#[derive(Debug)]
struct Backoff {
    next: Instant,
    pause: Duration,
}

struct Writer {
    inputs: StatusInputs,
    limiter: DefaultDirectRateLimiter,
    written: HashMap<ObjectKey, Written>,
    backoffs: HashMap<ObjectKey, Backoff>,
    /// Since when this process leads without a break.
    leading_since: Option<Timestamp>,
}

/// A status that shall be written.
struct Due {
    key: ObjectKey,
    uid: String,
    status: ScalingPolicyStatus,
    difference: Difference,
    /// What there is to tell of it once it is written.
    news: Option<(Cause, String)>,
    since: Option<Instant>,
}

/// Writes statuses for as long as it is polled.
pub async fn write_statuses(inputs: StatusInputs) {
    let mut writer = Writer {
        inputs,
        limiter: RateLimiter::direct(Quota::per_second(PER_SECOND)),
        written: HashMap::new(),
        backoffs: HashMap::new(),
        leading_since: None,
    };
    let mut rounds = interval(ROUND);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        rounds.tick().await;
        if writer.inputs.leadership.is_leader() {
            let now = writer.inputs.clock.now();
            writer.leading_since.get_or_insert(now);
            writer.round().await;
        } else {
            // Another scaler writes; what we wrote once is no longer what is there.
            writer.leading_since = None;
            writer.written.clear();
            writer.backoffs.clear();
        }
    }
}

impl Writer {
    async fn round(&mut self) {
        let objects = self.inputs.policies.borrow().objects.clone();
        self.written.retain(|key, _| objects.contains_key(key));
        self.backoffs.retain(|key, _| objects.contains_key(key));
        let mut due: Vec<Due> = objects
            .iter()
            .filter_map(|(key, object)| self.due(key, object))
            .collect();
        // States before values, and among equals what has waited longest.
        due.sort_by_key(|due| (std::cmp::Reverse(due.difference), due.since));
        let allowed = due
            .into_iter()
            .take_while(|_| self.limiter.check().is_ok())
            .collect::<Vec<_>>();
        let results: Vec<_> = futures::stream::iter(allowed)
            .map(|due| {
                let (client, leadership) =
                    (self.inputs.client.clone(), self.inputs.leadership.clone());
                async move {
                    let result = write(client, &leadership, &due).await;
                    (due, result)
                }
            })
            .buffer_unordered(CONCURRENT)
            .collect()
            .await;
        for (due, result) in results {
            self.finish(due, result);
        }
    }

    /// The status of `object`, if it is time to write it.
    fn due(&self, key: &ObjectKey, object: &PolicyObject) -> Option<Due> {
        let now = Instant::now();
        if self
            .backoffs
            .get(key)
            .is_some_and(|backoff| now < backoff.next)
        {
            return None;
        }
        let written = self
            .written
            .get(key)
            .filter(|written| written.uid == object.uid);
        // A new leader goes on from what its predecessor wrote.
        let before = match written {
            Some(written) => Some(written.status.clone()),
            None => object.status.latest(),
        };
        let before = before.as_ref();
        let standpoint = self.inputs.journal.standpoint(key);
        if self.is_settling(object, standpoint.as_ref(), before) {
            return None;
        }
        let status = self.report(object, standpoint.as_ref(), before);
        let difference = difference(before, &status);
        let wait = match difference {
            Difference::None => return None,
            Difference::Values => VALUES_EVERY,
            Difference::State => STATES_EVERY,
        };
        if written.is_some_and(|written| now < written.at + wait) {
            return None;
        }
        Some(Due {
            key: key.clone(),
            uid: object.uid.clone(),
            news: refusal(&object.standing, before, &status),
            status,
            difference,
            since: written.map(|written| written.at),
        })
    }

    /// Whether nothing is known yet but what the status says already.
    fn is_settling(
        &self,
        object: &PolicyObject,
        standpoint: Option<&Standpoint>,
        before: Option<&ScalingPolicyStatus>,
    ) -> bool {
        let Some(since) = self.leading_since else {
            return false;
        };
        let undecided = standpoint.is_none_or(|standpoint| {
            let decided = standpoint.decision.as_ref().map(|(at, _)| *at);
            standpoint.standing == Standing::InForce && decided.is_none_or(|at| at < since)
        });
        undecided
            && object.standing == Standing::InForce
            && before.is_some()
            && self.inputs.clock.now().since(since) < SETTLING
    }

    fn report(
        &self,
        object: &PolicyObject,
        standpoint: Option<&Standpoint>,
        before: Option<&ScalingPolicyStatus>,
    ) -> ScalingPolicyStatus {
        let clock = self.inputs.clock;
        let now = clock.wall();
        let wall = |at| clock.wall_time(at, now);
        // What the store knows comes first: it knows invalid and clashing objects, which are not in
        // the journal; what only the controller knows comes second.
        let standing = match &object.standing {
            Standing::InForce => standpoint.map_or(Standing::InForce, |s| s.standing.clone()),
            other => other.clone(),
        };
        let decision = standpoint.and_then(|standpoint| standpoint.decision.as_ref());
        let findings = Findings {
            generation: object.generation,
            standing: &standing,
            decision: decision.map(|(at, decision)| (&**decision, wall(*at))),
            write: standpoint.and_then(|standpoint| standpoint.write.as_ref()),
            last_scale: standpoint.and_then(|standpoint| standpoint.last_change.map(wall)),
            learned: standpoint
                .map(|standpoint| standpoint.learned.as_slice())
                .unwrap_or_default(),
            now,
        };
        report(&findings, before)
    }

    fn finish(&mut self, due: Due, result: Result<(), Failure>) {
        let Due {
            key,
            uid,
            status,
            news,
            ..
        } = due;
        let name = match &result {
            Ok(()) => "written",
            Err(Failure::NotLeader) => "not_leader",
            Err(Failure::Gone) => "gone",
            Err(Failure::Other(_)) => "failed",
        };
        metrics::status_written(name);
        match result {
            Ok(()) => {
                debug!(policy = %key, "status written");
                if let Some((cause, message)) = news {
                    self.inputs.events.tell(told_on(&key, &uid, cause, message));
                }
                let at = Instant::now();
                self.backoffs.remove(&key);
                self.written.insert(key, Written { uid, status, at });
            }
            // The watch tells soon; until then it would be the same again.
            Err(Failure::Gone | Failure::NotLeader) => self.pause(key),
            Err(Failure::Other(problem)) => {
                if !self.backoffs.contains_key(&key) {
                    warn!(policy = %key, %problem, "status not written, retrying");
                }
                self.pause(key);
            }
        }
    }

    fn pause(&mut self, key: ObjectKey) {
        let pause = self.backoffs.get(&key).map_or(FIRST_BACKOFF, |backoff| {
            (backoff.pause * 2).min(LONGEST_BACKOFF)
        });
        let next = Instant::now() + pause;
        self.backoffs.insert(key, Backoff { next, pause });
    }
}
