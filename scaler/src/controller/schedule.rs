//! When each deployment is decided on next. No clock: `now` is an argument.

use std::collections::BTreeSet;

use foldhash::HashMap;
use std::time::Duration;

use scaler_core::Timestamp;

use crate::workloads::DeploymentKey;

/// Intervals between decisions while nothing happens that could change one. Looking at every pod's window is
/// most of what a large cluster costs the scaler; what it could miss meanwhile is not urgent, by definition.
const CALM_INTERVALS: u32 = 2;

/// Decides as soon as there is news that matters, but news of many nodes within a short time at once;
/// and at times without any, because silence is also something to decide on.
///
/// - [`News::Urgent`] makes a deployment due at once, or [`Schedule::spacing`] after the last decision
///   on urgent news.
/// - [`News::Calm`] makes it due a little less than [`CALM_INTERVALS`] after the last decision on any
///   news: a deployment of many pods has news all the time, and 2,000 of them cannot be decided on each
///   time.
/// - Without news it is due a little more than [`CALM_INTERVALS`] after its last decision: an agent that
///   reports in time is never anticipated by the timer.
#[derive(Debug)]
pub(super) struct Schedule {
    interval: Duration,
    due: BTreeSet<(Timestamp, DeploymentKey)>,
    slots: HashMap<DeploymentKey, Slot>,
}

/// How much a sample matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum News {
    /// All is as it should be.
    Calm,
    /// It may change a decision.
    Urgent,
}

#[derive(Debug)]
struct Slot {
    due: Timestamp,
    /// When it was last decided on any news, and on urgent news.
    last_on_news: Option<Timestamp>,
    last_on_urgent: Option<Timestamp>,
    /// What came since.
    news: Option<News>,
}

impl Schedule {
    /// For reports that arrive every `interval` from each node.
    pub(super) fn new(interval: Duration) -> Self {
        Schedule {
            interval,
            due: BTreeSet::new(),
            slots: HashMap::default(),
        }
    }

    fn spacing(&self) -> Duration {
        self.interval / 5
    }

    /// A report that arrives a tenth of an interval early still finds its deployment due.
    fn calm_spacing(&self) -> Duration {
        self.interval * CALM_INTERVALS - self.interval / 10
    }

    fn patience(&self) -> Duration {
        self.interval * CALM_INTERVALS + self.interval / 4
    }

    /// Adds a deployment, due at once. One that is there stays as it is.
    pub(super) fn add(&mut self, key: &DeploymentKey, now: Timestamp) {
        if !self.slots.contains_key(key) {
            let slot = Slot {
                due: now,
                last_on_news: None,
                last_on_urgent: None,
                news: None,
            };
            self.slots.insert(key.clone(), slot);
            self.due.insert((now, key.clone()));
        }
    }

    /// Forgets a deployment.
    pub(super) fn remove(&mut self, key: &DeploymentKey) {
        if let Some(slot) = self.slots.remove(key) {
            self.due.remove(&(slot.due, key.clone()));
        }
    }

    /// There is news of a deployment. Does nothing for one that was not added.
    pub(super) fn news(&mut self, key: &DeploymentKey, news: News, now: Timestamp) {
        let (urgent, calm) = (self.spacing(), self.calm_spacing());
        let Some(slot) = self.slots.get_mut(key) else {
            return;
        };
        slot.news = slot.news.max(Some(news));
        let (last, spacing) = match news {
            News::Urgent => (slot.last_on_urgent, urgent),
            News::Calm => (slot.last_on_news, calm),
        };
        let due = last.map_or(now, |last| last.after(spacing).max(now));
        if due < slot.due {
            self.due.remove(&(slot.due, key.clone()));
            self.due.insert((due, key.clone()));
            slot.due = due;
        }
    }

    /// When something is due next.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.due.first().map(|(due, _)| *due)
    }

    /// The next deployment that is due by `now`; it counts as decided then.
    pub(super) fn pop(&mut self, now: Timestamp) -> Option<DeploymentKey> {
        if self.next()? > now {
            return None;
        }
        let (_, key) = self.due.pop_first()?;
        let next = now.after(self.patience());
        if let Some(slot) = self.slots.get_mut(&key) {
            match slot.news.take() {
                None => {}
                Some(News::Calm) => slot.last_on_news = Some(now),
                Some(News::Urgent) => {
                    slot.last_on_news = Some(now);
                    slot.last_on_urgent = Some(now);
                }
            }
            slot.due = next;
            self.due.insert((next, key.clone()));
        }
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(1000);

    fn at(ms: u64) -> Timestamp {
        Timestamp::new(Duration::from_millis(ms))
    }

    fn key(name: &str) -> DeploymentKey {
        DeploymentKey::new("shop", name)
    }

    fn schedule(names: &[&str]) -> Schedule {
        let mut schedule = Schedule::new(INTERVAL);
        for name in names {
            schedule.add(&key(name), at(0));
        }
        while schedule.pop(at(0)).is_some() {}
        schedule
    }

    #[test]
    fn news_is_decided_on_at_once() {
        let mut schedule = schedule(&["web", "cart"]);
        schedule.news(&key("web"), News::Urgent, at(700));
        assert_eq!(schedule.pop(at(700)), Some(key("web")));
        assert_eq!(schedule.pop(at(700)), None, "cart has no news");
    }

    #[test]
    fn news_of_many_nodes_is_decided_on_together() {
        let mut schedule = schedule(&["web"]);
        let mut decisions = 0;
        for ms in 0..1000 {
            schedule.news(&key("web"), News::Urgent, at(ms));
            while schedule.pop(at(ms)).is_some() {
                decisions += 1;
            }
        }
        assert_eq!(
            decisions, 5,
            "a report each millisecond, five decisions in the interval"
        );
    }

    #[test]
    fn calm_news_of_many_nodes_is_decided_on_every_second_interval() {
        let mut schedule = schedule(&["web"]);
        let mut decisions = Vec::new();
        for ms in 0..5000 {
            schedule.news(&key("web"), News::Calm, at(ms));
            while schedule.pop(at(ms)).is_some() {
                decisions.push(ms);
            }
        }
        assert_eq!(decisions, [0, 1900, 3800]);
    }

    #[test]
    fn urgent_news_does_not_wait_for_what_calm_news_has_begun() {
        let mut schedule = schedule(&["web"]);
        schedule.news(&key("web"), News::Calm, at(700));
        assert_eq!(schedule.pop(at(700)), Some(key("web")));
        schedule.news(&key("web"), News::Calm, at(710));
        schedule.news(&key("web"), News::Urgent, at(720));
        assert_eq!(schedule.pop(at(720)), Some(key("web")), "at once");
        schedule.news(&key("web"), News::Urgent, at(730));
        assert_eq!(schedule.pop(at(730)), None, "many alarms together");
        assert_eq!(schedule.next(), Some(at(920)));
    }

    #[test]
    fn silence_is_decided_on_too() {
        let mut schedule = schedule(&["web"]);
        assert_eq!(schedule.next(), Some(at(2250)));
        assert_eq!(schedule.pop(at(2249)), None);
        assert_eq!(schedule.pop(at(2250)), Some(key("web")));
        assert_eq!(schedule.next(), Some(at(4500)));
    }

    #[test]
    fn a_decision_of_the_timer_does_not_delay_news() {
        let mut schedule = schedule(&["web"]);
        assert_eq!(schedule.pop(at(2250)), Some(key("web")));
        schedule.news(&key("web"), News::Urgent, at(2251));
        assert_eq!(schedule.pop(at(2251)), Some(key("web")));
    }

    #[test]
    fn what_is_removed_or_unknown_is_never_due() {
        let mut schedule = schedule(&["web"]);
        schedule.remove(&key("web"));
        schedule.news(&key("web"), News::Urgent, at(5));
        assert_eq!((schedule.next(), schedule.pop(at(9999))), (None, None));
    }
}
