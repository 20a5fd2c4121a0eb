//! Whose turn it is. Pure: `now` is an argument, requests are data.
//!
//! ```text
//! next(now) ─▶ Step ─▶ (a request, by task) ─▶ Answer ─▶ answered(asked_at, answer, now)
//! ```
//!
//! The rules are client-go's (`tools/leaderelection`): a record that has not changed for its own
//! duration, as seen by our clock, is free to take; whoever takes it raises the number of
//! transitions; whoever renews it keeps that number and the time of acquisition. Other than there, a
//! holder that could not renew in time takes its own lease as a new one: it has stopped deciding and
//! told its agents so, and only a new term gets it their reports again.

use std::time::Duration;

use scaler_core::Timestamp;

use super::{Record, Timing};
use crate::apply::Lead;

/// What to ask the API server next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Read the Lease.
    Read,
    /// Create it, as ours.
    Create(Record),
    /// Replace it, if its version is still this record's.
    Replace(Record),
    /// Nothing: another one leads.
    Wait,
}

/// What the API server said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It was read, or written by us: this is what it is now.
    Is(Record),
    /// There is none.
    Absent,
    /// Someone else was faster.
    Conflict,
    /// Nobody knows: an error, or no answer in time. A write may have happened or not.
    Unknown,
}

/// Who leads, as far as this process may believe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// This process does.
    Leader(Lead),
    /// Another one does, or nobody knows.
    Standby {
        /// Where agents find the leader, if it is known and said.
        leader_address: Option<String>,
        /// The newest term that was seen.
        term: u64,
    },
}

/// One of those that would lead.
#[derive(Debug, Clone)]
pub struct Candidate {
    identity: String,
    agents_address: String,
    timing: Timing,
    /// The Lease as last seen, and since when it has been so.
    seen: Option<(Record, Timestamp)>,
    /// Whether `seen` may have changed since.
    must_read: bool,
    /// Until when we lead.
    until: Option<Timestamp>,
}

impl Candidate {
    /// A candidate that nobody knows yet. `identity` must be this process's alone: a restarted one
    /// is another candidate. `agents_address` is where agents find it.
    pub fn new(identity: String, agents_address: String, timing: Timing) -> Self {
        Candidate {
            identity,
            agents_address,
            timing,
            seen: None,
            must_read: true,
            until: None,
        }
    }

    /// The next request of a round. A round ends with [`Step::Wait`], or once we lead.
    pub fn next(&self, now: Timestamp) -> Step {
        let Some((record, since)) = self.seen.as_ref().filter(|_| !self.must_read) else {
            return Step::Read;
        };
        let (ours, exists) = (record.holder == self.identity, !record.version.is_empty());
        let leads = self.until.is_some_and(|until| now < until);
        if ours && exists && leads {
            return Step::Replace(Record {
                version: record.version.clone(),
                ..self.ours(record.term, record.acquired)
            });
        }
        // Also of a Lease that was deleted: its holder may not have noticed.
        let expired = now.since(*since) >= record.duration;
        if !(ours || record.is_free() || expired) {
            return Step::Wait;
        }
        let taken = self.ours(record.term.saturating_add(1), None);
        match exists {
            false => Step::Create(taken),
            true => Step::Replace(Record {
                version: record.version.clone(),
                ..taken
            }),
        }
    }

    /// Takes the answer to `step`, which was sent at `asked_at`.
    pub fn answered(&mut self, step: &Step, answer: Answer, asked_at: Timestamp, now: Timestamp) {
        match (step, answer) {
            (Step::Create(_) | Step::Replace(_), Answer::Is(record)) => {
                // Nobody can have seen this renewal before it was sent.
                self.until = Some(asked_at.after(self.timing.renew_deadline));
                self.seen = Some((record, now));
                self.must_read = false;
            }
            (_, Answer::Is(record)) => self.saw(record, now),
            (_, Answer::Absent) => {
                // Deleted by someone: we have no lease that others respect. What is known of its
                // holder and terms stays known.
                self.until = None;
                let (mut record, since) = match self.seen.take() {
                    Some(known) => known,
                    None => {
                        let nobody = Record {
                            holder: String::new(),
                            ..self.ours(0, None)
                        };
                        (nobody, now)
                    }
                };
                record.version.clear();
                self.seen = Some((record, since));
                self.must_read = false;
            }
            // An answer that was lost may have been a yes: what is there now tells.
            (_, Answer::Conflict | Answer::Unknown) => self.must_read = true,
        }
    }

    /// Ends a round: what was read may be old when the next one begins. A leader renews what it
    /// wrote without reading it first.
    pub fn rest(&mut self) {
        self.must_read |= self.until.is_none();
    }

    /// What this process may believe at `now`.
    pub fn standing(&self, now: Timestamp) -> Standing {
        let term = self.seen.as_ref().map_or(0, |(record, _)| record.term);
        if let Some(until) = self.until.filter(|until| now < *until) {
            return Standing::Leader(Lead { term, until });
        }
        let address = self.seen.as_ref().and_then(|(record, since)| {
            let holds = !record.is_free()
                && record.holder != self.identity
                && now.since(*since) < record.duration;
            // Left by a process that ran here before: whoever is told has found us already.
            let elsewhere = record.agents_address != self.agents_address;
            (holds && elsewhere && !record.agents_address.is_empty())
                .then(|| record.agents_address.clone())
        });
        Standing::Standby {
            leader_address: address,
            term,
        }
    }

    /// The write that gives leadership up at once, if we have it.
    pub fn release(&mut self) -> Option<Record> {
        self.until.take()?;
        let (record, _) = self.seen.as_ref()?;
        self.must_read = true;
        Some(Record {
            holder: String::new(),
            agents_address: String::new(),
            duration: Duration::from_secs(1),
            ..record.clone()
        })
    }

    /// Time until the next round.
    pub fn pause(&self, now: Timestamp) -> Duration {
        match self.standing(now) {
            Standing::Leader(_) => self.timing.renew_every,
            Standing::Standby { .. } => self.timing.look_every,
        }
    }

    fn saw(&mut self, record: Record, now: Timestamp) {
        self.must_read = false;
        let ours = record.holder == self.identity;
        if !ours {
            self.until = None;
        }
        let known = self.seen.as_ref();
        if known.is_none_or(|(known, _)| known.differs(&record)) {
            self.seen = Some((record, now));
        }
    }

    fn ours(&self, term: u64, acquired: Option<k8s_openapi::jiff::Timestamp>) -> Record {
        Record {
            holder: self.identity.clone(),
            duration: self.timing.duration,
            term,
            agents_address: self.agents_address.clone(),
            acquired,
            version: String::new(),
            renewed: None,
        }
    }
}

#[cfg(test)]
#[path = "candidate_tests.rs"]
mod tests;
