//! Which Events are written, and how often one has happened. Pure; `now` is an argument.
//!
//! The rules are those of client-go's `EventCorrelator` (`tools/record/events_cache.go`), in its
//! order, for each object:
//!
//! 1. *Aggregate*: ten different messages of one type and reason within ten minutes are one Event
//!    from then on, whose message is that of the latest.
//! 2. *Count*: an Event like an earlier one raises its count.
//! 3. *Filter*: 25 at once, one more every five minutes. What exceeds it is not written; it is
//!    counted all the same, and shows with the next that is.
//!
//! The local cluster's HPA obeys the same rules in a version for one object
//! (`loadtest/apiserver`, `controllers/horizontal/recorder.rs`). They are not one piece of code,
//! because the scaler depends on nothing of `loadtest/`, whose API server is to stay an independent
//! witness of what the scaler writes.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::jiff::Timestamp;

/// Events of one object at once.
const BURST: f64 = 25.0;
/// One more each.
const REFILL: Duration = Duration::from_secs(300);
/// Different messages of one reason that are told apart.
const MAX_SIMILAR: usize = 10;
/// Similar messages further apart than this are not counted together.
const SIMILAR_WITHIN: Duration = Duration::from_secs(600);
/// Events of one object whose count goes on; beyond, the one unseen for longest begins anew.
const MAX_SEEN: usize = 32;
/// Objects that are remembered, as many as in client-go; beyond, the one silent for longest is
/// forgotten, and its Events begin anew.
const MAX_OBJECTS: usize = 4096;
/// Longest name of an object in the name of an Event, which has 253 characters.
const MAX_NAME: usize = 220;
/// Begins the message of an Event that stands for different ones.
pub(super) const COMBINED: &str = "(combined from similar events): ";

/// Something that happened to one object.
#[derive(Debug, Clone)]
pub(super) struct Occurrence {
    pub(super) regarding: ObjectReference,
    /// `Normal` or `Warning`.
    pub(super) event_type: &'static str,
    pub(super) reason: &'static str,
    pub(super) message: String,
}

/// An Event as it is to be in the API: new when the count is 1, else a change of an older one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    /// The Event object's name.
    pub(super) name: String,
    pub(super) regarding: ObjectReference,
    pub(super) event_type: &'static str,
    pub(super) reason: &'static str,
    pub(super) message: String,
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    pub(super) count: i32,
}

/// Remembers the Events of every object, within bounds.
#[derive(Debug, Default)]
pub(super) struct Correlator {
    /// By UID, so that an object created anew under an old name begins anew.
    objects: HashMap<String, Object>,
    named: u64,
}

#[derive(Debug)]
struct Object {
    last: Timestamp,
    tokens: f64,
    similar: BTreeMap<Cause, Similar>,
    /// The latest last.
    seen: VecDeque<(Cause, Option<String>, Entry)>,
}

/// Type and reason.
type Cause = (&'static str, &'static str);

#[derive(Debug)]
struct Similar {
    messages: BTreeSet<String>,
    last: Timestamp,
}

impl Correlator {
    /// What is to be written; `None` when too much was lately.
    pub(super) fn correlate(&mut self, occurrence: Occurrence, now: Timestamp) -> Option<Entry> {
        let uid = occurrence.regarding.uid.clone().unwrap_or_default();
        if !self.objects.contains_key(&uid) && self.objects.len() >= MAX_OBJECTS {
            let silent = self.objects.iter().min_by_key(|(_, object)| object.last);
            if let Some(uid) = silent.map(|(uid, _)| uid.clone()) {
                self.objects.remove(&uid);
            }
        }
        self.named = self.named.wrapping_add(1);
        let name = name(&occurrence.regarding, now, self.named);
        let object = self.objects.entry(uid).or_insert_with(|| Object {
            last: now,
            tokens: BURST,
            similar: BTreeMap::new(),
            seen: VecDeque::new(),
        });
        let entry = object.observe(occurrence, name, now);
        object.take_token(now).then_some(entry)
    }
}

impl Object {
    fn observe(&mut self, occurrence: Occurrence, name: String, now: Timestamp) -> Entry {
        let cause: Cause = (occurrence.event_type, occurrence.reason);
        let combined = self.is_one_of_many(cause, &occurrence.message, now);
        let message = match combined {
            true => format!("{COMBINED}{}", occurrence.message),
            false => occurrence.message.clone(),
        };
        let told_apart_by = (!combined).then_some(occurrence.message);
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
                name,
                regarding: occurrence.regarding,
                event_type: occurrence.event_type,
                reason: occurrence.reason,
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
        entry
    }

    /// Whether so many different messages of this cause came lately that they are no longer told
    /// apart.
    fn is_one_of_many(&mut self, cause: Cause, message: &str, now: Timestamp) -> bool {
        let similar = self.similar.entry(cause).or_insert_with(|| Similar {
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
        let refilled = since(self.last, now).as_secs_f64() / REFILL.as_secs_f64();
        self.last = now;
        self.tokens = (self.tokens + refilled).min(BURST);
        let enough = self.tokens >= 1.0;
        if enough {
            self.tokens -= 1.0;
        }
        enough
    }
}

/// As client-go names Events, with a number for those of one moment.
fn name(regarding: &ObjectReference, now: Timestamp, number: u64) -> String {
    let of = regarding.name.as_deref().unwrap_or("unknown");
    let of = &of[..of.floor_char_boundary(MAX_NAME)];
    let of = of.trim_end_matches(['.', '-']);
    format!("{of}.{:x}{:02x}", now.as_nanosecond(), number & 0xff)
}

fn since(earlier: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(earlier)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn occurrence(uid: &str, reason: &'static str, message: &str) -> Occurrence {
        Occurrence {
            regarding: ObjectReference {
                name: Some("web".to_owned()),
                uid: Some(uid.to_owned()),
                ..ObjectReference::default()
            },
            event_type: "Normal",
            reason,
            message: message.to_owned(),
        }
    }

    #[test]
    fn a_repetition_raises_the_count_of_its_object_only() {
        let mut correlator = Correlator::default();
        let mut tell = |uid, second| {
            correlator
                .correlate(occurrence(uid, "A", "a"), at(second))
                .unwrap()
        };
        let (first, second, other) = (tell("1", 0), tell("1", 15), tell("2", 15));
        assert_eq!((first.count, second.count, other.count), (1, 2, 1));
        assert_eq!(
            (&second.name, second.first, second.last),
            (&first.name, at(0), at(15))
        );
        assert_ne!(
            other.name, first.name,
            "the policy and the deployment may share a name"
        );
    }

    #[test]
    fn ten_different_messages_become_one_event() {
        let mut correlator = Correlator::default();
        let mut tell = |size: i64, second| {
            let message = format!("{size} replicas");
            correlator
                .correlate(occurrence("1", "SuccessfulRescale", &message), at(second))
                .unwrap()
        };
        let all: Vec<Entry> = (1..=12).map(|size| tell(size, size * 15)).collect();
        assert!(all[..9].iter().all(|entry| entry.count == 1));
        assert_eq!(
            all[9].message,
            "(combined from similar events): 10 replicas"
        );
        assert_eq!((all[11].count, &all[11].name), (3, &all[9].name));
        assert_eq!(
            tell(99, 1000).message,
            "99 replicas",
            "after a long silence"
        );
    }

    #[test]
    fn a_flood_is_cut_off_but_counted() {
        let mut correlator = Correlator::default();
        let mut tell = |second| correlator.correlate(occurrence("1", "A", "a"), at(second));
        let written: Vec<Entry> = (0..40).filter_map(&mut tell).collect();
        assert_eq!(written.len(), 25);
        assert_eq!(tell(400).unwrap().count, 41, "those not written included");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut correlator = Correlator::default();
        for number in 0..5000 {
            let uid = format!("{number}");
            let _ = correlator.correlate(occurrence(&uid, "A", "a"), at(number));
        }
        assert_eq!(correlator.objects.len(), MAX_OBJECTS);
        for number in 0..500 {
            let message = format!("{number}");
            let _ = correlator.correlate(occurrence("1", "A", &message), at(9000 + number * 1000));
        }
        assert_eq!(correlator.objects["1"].seen.len(), MAX_SEEN);
    }

    #[test]
    fn names_of_events_are_names() {
        let long = ObjectReference {
            name: Some(format!("{}-{}", "a".repeat(219), "b".repeat(30))),
            ..ObjectReference::default()
        };
        let name = name(&long, at(0), 300);
        assert!(
            name.len() <= 253 && name.starts_with("aaa") && !name.contains("-."),
            "{name}"
        );
    }
}
