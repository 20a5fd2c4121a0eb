//! Which events are written, and how often one has happened: client-go's event correlator
//! (`tools/record/events_cache.go`) for the events of one autoscaler. `now` is an argument.
//!
//! An event like an earlier one raises its count. Ten different messages of one reason within ten
//! minutes become one event from then on. And all events together are limited to a burst of 25,
//! refilled by one each five minutes: what exceeds it is counted and not written, as on a real
//! cluster, where an autoscaler without metrics falls silent after some three minutes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::jiff::Timestamp;
use stock_hpa::reconcile::Event;

/// Events at once.
const BURST: f64 = 25.0;
/// One more each.
const REFILL: Duration = Duration::from_secs(300);
/// Different messages of one reason that are told apart.
const MAX_SIMILAR: usize = 10;
/// Similar messages further apart than this are not counted together.
const SIMILAR_WITHIN: Duration = Duration::from_secs(600);
/// Events whose count goes on; beyond, the one unseen for longest begins anew when it happens.
const MAX_SEEN: usize = 64;
/// Begins the message of an event that stands for different ones.
const COMBINED: &str = "(combined from similar events): ";

/// Correlates the events of one autoscaler.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    uid: String,
    bucket: Option<(f64, Timestamp)>,
    similar: BTreeMap<Cause, Similar>,
    /// The latest last.
    seen: VecDeque<(Cause, Option<String>, Entry)>,
}

/// Type and reason.
type Cause = (bool, String);

#[derive(Debug)]
struct Similar {
    messages: BTreeSet<String>,
    last: Timestamp,
}

/// An event as it is to be in the API: new when the count is 1, else a change of the older one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    /// The Event object's name.
    pub(super) name: String,
    /// What it is about.
    pub(super) regarding: ObjectReference,
    /// `Warning`, else `Normal`.
    pub(super) warning: bool,
    /// CamelCase.
    pub(super) reason: String,
    /// For humans.
    pub(super) message: String,
    /// When it first happened.
    pub(super) first: Timestamp,
    /// When it last happened.
    pub(super) last: Timestamp,
    /// How often.
    pub(super) count: i32,
}

impl Recorder {
    /// Notes what happened to `regarding`; returns what is to be written, in order. An autoscaler
    /// created anew under an old name begins anew.
    pub(super) fn record(
        &mut self,
        regarding: &ObjectReference,
        events: &[Event],
        now: Timestamp,
    ) -> Vec<Entry> {
        let uid = regarding.uid.as_deref().unwrap_or_default();
        if self.uid != uid {
            *self = Self {
                uid: uid.to_owned(),
                ..Self::default()
            };
        }
        let events = events.iter();
        events
            .filter_map(|event| self.correlate(regarding, event, now))
            .collect()
    }

    fn correlate(
        &mut self,
        regarding: &ObjectReference,
        event: &Event,
        now: Timestamp,
    ) -> Option<Entry> {
        let cause: Cause = (event.warning, event.reason.clone());
        let combined = self.is_one_of_many(&cause, &event.message, now);
        let message = match combined {
            true => format!("{COMBINED}{}", event.message),
            false => event.message.clone(),
        };
        let told_apart_by = (!combined).then(|| event.message.clone());
        let known = self
            .seen
            .iter()
            .position(|(of, by, _)| *of == cause && *by == told_apart_by)
            .and_then(|at| self.seen.remove(at));
        let entry = match known {
            Some((_, _, entry)) => Entry {
                message,
                last: now,
                count: entry.count.saturating_add(1),
                ..entry
            },
            None => Entry {
                // Events of one moment differ in what is told apart, so a number suffices.
                name: name(regarding, now, self.seen.len()),
                regarding: regarding.clone(),
                warning: event.warning,
                reason: event.reason.clone(),
                message,
                first: now,
                last: now,
                count: 1,
            },
        };
        if self.seen.len() == MAX_SEEN {
            self.seen.pop_front();
        }
        self.seen.push_back((cause, told_apart_by, entry.clone()));
        // Last, as in client-go: what is not written is counted, and shows with the next that is.
        self.take_token(now).then_some(entry)
    }

    /// Whether so many different messages of this cause came lately that they are no longer told
    /// apart.
    fn is_one_of_many(&mut self, cause: &Cause, message: &str, now: Timestamp) -> bool {
        let similar = self
            .similar
            .entry(cause.clone())
            .or_insert_with(|| Similar {
                messages: BTreeSet::new(),
                last: now,
            });
        if since(similar.last, now) > SIMILAR_WITHIN {
            similar.messages.clear();
        }
        similar.last = now;
        similar.messages.insert(message.to_owned());
        if similar.messages.len() < MAX_SIMILAR {
            return false;
        }
        similar.messages.pop_first();
        true
    }

    fn take_token(&mut self, now: Timestamp) -> bool {
        let (tokens, at) = self.bucket.unwrap_or((BURST, now));
        let refilled = since(at, now).as_secs_f64() / REFILL.as_secs_f64();
        let tokens = (tokens + refilled).min(BURST);
        let enough = tokens >= 1.0;
        self.bucket = Some((if enough { tokens - 1.0 } else { tokens }, now));
        enough
    }
}

fn name(regarding: &ObjectReference, now: Timestamp, number: usize) -> String {
    let of = regarding.name.as_deref().unwrap_or("unknown");
    format!("{of}.{:x}{number:02x}", now.as_nanosecond())
}

fn since(earlier: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(earlier)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + secs).unwrap()
    }

    fn regarding(uid: &str) -> ObjectReference {
        ObjectReference {
            name: Some("web".to_owned()),
            uid: Some(uid.to_owned()),
            ..ObjectReference::default()
        }
    }

    fn event(reason: &str, message: &str) -> Event {
        Event {
            warning: true,
            reason: reason.to_owned(),
            message: message.to_owned(),
        }
    }

    #[test]
    fn a_repetition_raises_the_count() {
        let mut recorder = Recorder::default();
        let failed = [
            event("FailedGetResourceMetric", "no API"),
            event("FailedCompute", "no API"),
        ];
        let first = recorder.record(&regarding("1"), &failed, at(0));
        let second = recorder.record(&regarding("1"), &failed, at(15));
        assert_eq!((first[0].count, first[1].count), (1, 1));
        assert_ne!(first[0].name, first[1].name);
        assert_eq!(
            (second[0].count, second[0].name.clone()),
            (2, first[0].name.clone())
        );
        assert_eq!((second[0].first, second[0].last), (at(0), at(15)));
        let anew = recorder.record(&regarding("2"), &failed, at(30));
        assert_eq!(anew[0].count, 1, "another object of that name");
    }

    #[test]
    fn ten_similar_messages_become_one() {
        let mut recorder = Recorder::default();
        let mut record = |size: i64| {
            let events = [event("SuccessfulRescale", &format!("New size: {size}"))];
            recorder
                .record(&regarding("1"), &events, at(size * 15))
                .remove(0)
        };
        let all: Vec<Entry> = (1..=12).map(&mut record).collect();
        assert!(all[..9].iter().all(|entry| entry.count == 1));
        assert_eq!(
            all[9].message,
            "(combined from similar events): New size: 10"
        );
        assert_eq!(
            (all[11].count, all[11].name.clone()),
            (3, all[9].name.clone())
        );
        assert_eq!(
            all[11].message,
            "(combined from similar events): New size: 12"
        );
        assert_eq!(
            record(1000).message,
            "New size: 1000",
            "after a long silence"
        );
    }

    #[test]
    fn a_flood_is_cut_off_after_its_burst() {
        let mut recorder = Recorder::default();
        let two = [event("A", "a"), event("B", "b")];
        let mut written = Vec::new();
        for pass in 0..40 {
            written.extend(recorder.record(&regarding("1"), &two, at(pass * 15)));
        }
        // 25, and one each five minutes of the ten.
        assert_eq!(written.len(), 26);
        assert_eq!(written[23].count, 12);
        let later = recorder.record(&regarding("1"), &two, at(4000));
        let counts: Vec<i32> = later.iter().map(|entry| entry.count).collect();
        assert_eq!(counts, [41, 41], "what was not written was counted");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut recorder = Recorder::default();
        for number in 0..500 {
            let events = [event(&format!("Reason{number}"), "a")];
            recorder.record(&regarding("1"), &events, at(number * 1000));
        }
        assert_eq!(recorder.seen.len(), MAX_SEEN);
    }
}
