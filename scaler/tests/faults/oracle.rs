//! What must hold whatever happens, and the story of what did.
//!
//! Looked at from the API server, which is the only one who knows:
//!
//! - every replica count that a scaler writes is inside its policy's `[min, max]`;
//! - it names the version that it replaces, and it changes something (none is lost or doubled);
//! - of one deployment, no write of an earlier leader follows one of a later leader, and none comes
//!   from a scaler whose leadership ended longer ago than a request may take;
//! - from inside the bounds, replicas move only if the writer has lately heard of that deployment;
//! - once healed, replicas are what the load needs, and stay there.

use std::time::Duration;

use crate::faults::SCALERS;
use crate::kubelet::DEPLOYMENTS;

/// Bounds of every policy; see [`crate::simulation::policies`].
pub(crate) const BOUNDS: (u32, u32) = (1, 12);
/// Faults per second that one pod of `web` may take.
pub(crate) const FAULTS_PER_POD: f64 = 1_000.0;

/// How long after the newest sample a write may still arrive: 3 s until it is stale, 5 s during which
/// a write is retried, 2 s for the last attempt, twice 3 s in a slow network, and a second for the
/// ways between.
const SILENCE: Duration = Duration::from_secs(17);
/// How long after somebody else leads a write may still arrive: the last attempt and the network.
const LATE: Duration = Duration::from_secs(6);
/// What a process had sent when it was stopped goes out when it goes on, and may arrive this late.
const AFTER_FREEZE: Duration = Duration::from_secs(4);

/// Which deployments a report is about.
pub(crate) type About = [bool; DEPLOYMENTS.len()];

/// The end of the newest sample of each deployment that a scaler has got.
pub(crate) type Heard = [Option<Duration>; DEPLOYMENTS.len()];

/// A replica count that the API server has accepted from a scaler.
pub(crate) struct Write {
    pub(crate) scaler: usize,
    pub(crate) deployment: usize,
    pub(crate) to: u32,
    /// Whether the request named the version that it replaces.
    pub(crate) conditional: bool,
    /// The end of the newest sample that the sender had when it sent this; it may be dead by now.
    pub(crate) heard: Option<Duration>,
}

/// Who may write, as the lease has it.
#[derive(Default)]
struct Tenure {
    /// The last term in which it led; 0: never.
    term: u64,
    /// When somebody else took over.
    ended: Option<Duration>,
}

#[derive(Default)]
pub(crate) struct Oracle {
    pub(crate) story: Vec<String>,
    violation: Option<String>,
    replicas: [u32; DEPLOYMENTS.len()],
    /// The end of the newest sample that each scaler has got of each deployment.
    heard: [Heard; SCALERS],
    tenures: [Tenure; SCALERS],
    thawed: [Option<Duration>; SCALERS],
    /// The term of the newest write of each deployment.
    terms: [u64; DEPLOYMENTS.len()],
    /// When a scaler last wrote each deployment.
    last_writes: [Duration; DEPLOYMENTS.len()],
}

impl Oracle {
    pub(crate) fn tell(&mut self, now: Duration, what: &str) {
        self.story
            .push(format!("{:8.2} s  {what}", now.as_secs_f64()));
    }

    pub(crate) fn violate(&mut self, now: Duration, what: &str) {
        self.tell(now, &format!("VIOLATION: {what}"));
        self.violation.get_or_insert_with(|| what.to_owned());
    }

    pub(crate) fn verdict(&self) -> Result<(), String> {
        self.violation.clone().map_or(Ok(()), Err)
    }

    /// Somebody else than a scaler set the replicas.
    pub(crate) fn set_replicas(&mut self, now: Duration, deployment: usize, replicas: u32) {
        self.replicas[deployment] = replicas;
        self.tell(
            now,
            &format!("{} set to {replicas}", DEPLOYMENTS[deployment]),
        );
    }

    pub(crate) fn heard(&mut self, now: Duration, scaler: usize, about: About, age: Duration) {
        let ended = now.saturating_sub(age);
        for (newest, _) in self.heard[scaler]
            .iter_mut()
            .zip(about)
            .filter(|(_, is)| *is)
        {
            *newest = Some(newest.map_or(ended, |newest| newest.max(ended)));
        }
    }

    /// The end of the newest sample that a scaler has got of each deployment.
    pub(crate) fn heard_by(&self, scaler: usize) -> Heard {
        self.heard[scaler]
    }

    /// A new process has heard nothing.
    pub(crate) fn killed(&mut self, scaler: usize) {
        self.heard[scaler] = Default::default();
    }

    pub(crate) fn thawed(&mut self, now: Duration, scaler: usize) {
        self.thawed[scaler] = Some(now);
    }

    pub(crate) fn leads(&mut self, now: Duration, scaler: usize, term: u64) {
        self.tell(now, &format!("scaler {scaler} leads, term {term}"));
        for (other, tenure) in self.tenures.iter_mut().enumerate() {
            if other != scaler {
                tenure.ended.get_or_insert(now);
            }
        }
        self.tenures[scaler] = Tenure { term, ended: None };
    }

    pub(crate) fn accepted(&mut self, now: Duration, write: &Write) {
        let &Write {
            scaler,
            deployment,
            to,
            conditional,
            heard,
        } = write;
        let from = std::mem::replace(&mut self.replicas[deployment], to);
        let name = DEPLOYMENTS[deployment];
        self.tell(now, &format!("scaler {scaler} wrote {name} {from} -> {to}"));
        self.last_writes[deployment] = now;
        let (min, max) = BOUNDS;
        if !(min..=max).contains(&to) {
            self.violate(
                now,
                &format!("{name}: {to} replicas are outside [{min}, {max}]"),
            );
        }
        if !conditional {
            self.violate(
                now,
                "a write that names no version overwrites what it has not seen",
            );
        }
        if to == from {
            self.violate(
                now,
                &format!("{name}: {to} replicas were written a second time"),
            );
        }
        let Tenure { term, ended } = self.tenures[scaler];
        if term < self.terms[deployment] {
            let later = self.terms[deployment];
            self.violate(
                now,
                &format!("{name}: a write of term {term} after one of term {later}"),
            );
        }
        self.terms[deployment] = self.terms[deployment].max(term);
        let since = |then: Duration| now.saturating_sub(then);
        if self.thawed[scaler].is_some_and(|thawed| since(thawed) < AFTER_FREEZE) {
            return;
        }
        if term == 0 || ended.is_some_and(|ended| since(ended) > LATE) {
            self.violate(
                now,
                &format!("scaler {scaler} wrote and had long ceased to lead"),
            );
        }
        if (min..=max).contains(&from) && heard.is_none_or(|heard| since(heard) > SILENCE) {
            self.violate(
                now,
                &format!("{name} moved on silence (newest sample: {heard:?})"),
            );
        }
    }

    /// Once everything has been healed for long enough.
    pub(crate) fn judge_rest(&mut self, now: Duration, load_pods: f64, quiet: Duration) {
        let (min, max) = BOUNDS;
        for (deployment, replicas) in self.replicas.into_iter().enumerate() {
            let name = DEPLOYMENTS[deployment];
            if !(min..=max).contains(&replicas) {
                self.violate(
                    now,
                    &format!("healed, {name} still has {replicas} replicas"),
                );
            }
        }
        // What `web` needs is known; `cart` goes on learning at which utilisation it waits too long.
        let web = self.replicas[0];
        let needed = (load_pods.ceil() as u32).clamp(min, max);
        let within_tolerance = (0.9..=1.1).contains(&(load_pods / f64::from(web.max(1))));
        if web != needed && !within_tolerance {
            self.violate(
                now,
                &format!("healed, web has {web} replicas and needs {needed}"),
            );
        }
        if now.saturating_sub(self.last_writes[0]) < quiet {
            self.violate(now, "healed, and web still changes");
        }
    }
}
