//! When each container is looked at and what is served of it, without I/O and without a clock.
//!
//! cAdvisor's schedule and metrics-server's polls are those of the crate `stock-hpa`; here they are
//! asked which containers are due, so that only those are read.

use std::collections::BTreeMap;

use stock_hpa::Moment;
use stock_hpa::pipeline::{Housekeeping, MetricsServer, PodUsage, Reading, Sample};

/// The whole chain of one node: two tracks that are polled together.
#[derive(Debug)]
pub(crate) struct Chain {
    /// Containers, by UID of the pod and name.
    pub(crate) containers: Track,
    /// The machine as the one "container" of a "pod", both without a name.
    pub(crate) machine: Track,
    next_poll: Moment,
}

/// Things that are looked at on a schedule of their own, and what polls saw of them.
#[derive(Debug, Default)]
pub(crate) struct Track {
    looked: BTreeMap<(String, String), (Housekeeping, Sample)>,
    server: MetricsServer,
}

/// When something was and will be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Look<'a> {
    pub(crate) pod: &'a str,
    pub(crate) container: &'a str,
    pub(crate) last: Moment,
    pub(crate) next: Moment,
}

impl Chain {
    /// A chain that has seen nothing; polls begin now.
    pub(crate) fn new(now: Moment) -> Self {
        Self {
            containers: Track::default(),
            machine: Track::default(),
            next_poll: now,
        }
    }

    /// Polls if that is due. The period is kept over late calls, as a ticker keeps it.
    pub(crate) fn poll(&mut self, now: Moment) {
        if self.next_poll > now {
            return;
        }
        self.containers.poll();
        self.machine.poll();
        while self.next_poll <= now {
            self.next_poll = self.next_poll.plus(MetricsServer::PERIOD);
        }
    }

    /// When the next poll is due.
    pub(crate) fn next_poll(&self) -> Moment {
        self.next_poll
    }

    /// When there is something to do, as far as is known now.
    pub(crate) fn next(&self) -> Moment {
        let looks = self.containers.looks().chain(self.machine.looks());
        looks
            .map(|look| look.next)
            .fold(self.next_poll, Moment::min)
    }
}

impl Track {
    /// Whether this run of a container is to be looked at now; one that is new, at once.
    pub(crate) fn is_due(
        &self,
        pod: &str,
        container: &str,
        started_at: Moment,
        now: Moment,
    ) -> bool {
        let known = self.looked.get(&(pod.to_owned(), container.to_owned()));
        known.is_none_or(|(schedule, last)| {
            schedule.is_due(now) || last.reading.started_at != started_at
        })
    }

    /// Takes in a look at something that was due; `random` is in `0..1`.
    pub(crate) fn take(&mut self, reading: Reading, now: Moment, random: f64) {
        let key = (reading.pod.clone(), reading.container.clone());
        let schedule = match self.looked.get(&key) {
            Some((schedule, last)) if last.reading.started_at == reading.started_at => {
                schedule.after(now, last.reading != reading, random)
            }
            _ => Housekeeping::starting(now, random),
        };
        self.looked
            .insert(key, (schedule, Sample { reading, at: now }));
    }

    /// Forgets what is gone.
    pub(crate) fn retain(&mut self, present: impl Fn(&str, &str) -> bool) {
        self.looked
            .retain(|(pod, container), _| present(pod, container));
    }

    /// What is served now.
    pub(crate) fn usage(&self) -> Vec<PodUsage> {
        self.server.usage()
    }

    /// The schedule.
    pub(crate) fn looks(&self) -> impl Iterator<Item = Look<'_>> {
        self.looked
            .iter()
            .map(|((pod, container), (schedule, last))| Look {
                pod,
                container,
                last: last.at,
                next: schedule.next(),
            })
    }

    fn poll(&mut self) {
        self.server
            .poll(self.looked.values().map(|(_, sample)| sample));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn reading(started_s: i64, cpu_ms: u64) -> Reading {
        Reading {
            pod: "u".to_owned(),
            container: "c".to_owned(),
            started_at: Moment::from_secs(started_s),
            cpu: Duration::from_millis(cpu_ms),
            memory_bytes: 7,
        }
    }

    const fn at(seconds: i64) -> Moment {
        Moment::from_secs(seconds)
    }

    #[test]
    fn a_container_is_read_when_due_and_at_once_when_it_is_new() {
        let mut chain = Chain::new(at(0));
        let due = |chain: &Chain, started, now| chain.containers.is_due("u", "c", at(started), now);
        assert!(due(&chain, 0, at(0)));
        chain.containers.take(reading(0, 0), at(0), 0.5);
        assert!(!due(&chain, 0, at(14)));
        assert!(due(&chain, 0, at(15)), "10 s, stretched by a half");
        assert!(due(&chain, 9, at(10)), "another run of it");
        assert!(chain.containers.is_due("u", "b", at(0), at(1)));
        assert!(chain.containers.is_due("u", "d", at(0), at(1)));
        chain.containers.retain(|_, container| container == "b");
        assert!(due(&chain, 0, at(1)));
    }

    #[test]
    fn usage_is_served_from_two_looks_and_the_poll_after_them() {
        let mut chain = Chain::new(at(0));
        chain.poll(at(0));
        chain.containers.take(reading(-60, 0), at(1), 0.0);
        chain.poll(at(15));
        chain.containers.take(reading(-60, 2_000), at(11), 0.0);
        assert!(chain.containers.usage().is_empty(), "polls come each 15 s");
        assert_eq!(chain.next(), at(21), "the next look");
        chain.containers.take(reading(-60, 4_000), at(21), 0.9);
        assert_eq!(chain.next(), at(30), "the next poll");
        chain.poll(at(33));
        let served = chain.containers.usage();
        assert_eq!(served[0].containers[0].nano_cores(), 200_000_000);
        assert_eq!(
            (served[0].timestamp, served[0].window.as_secs()),
            (at(21), 20)
        );
        assert_eq!(
            chain.next_poll(),
            at(45),
            "a late poll does not move the next one"
        );
    }
}
