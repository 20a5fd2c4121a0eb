//! The recent samples of one container, in order of time, and what is common to all sources.

use std::collections::VecDeque;
use std::time::Duration;

use super::packed::{Body, PackedDelta, nanoseconds, pack};
use super::{SHORTEST_INTERVAL, STALE_INTERVALS};
use crate::doubts::Doubts;
use crate::metric::Metric;
use crate::sample::{ContainerSample, Scheduling};
use crate::time::Timestamp;

/// Bytes that are always made room for: more than a usual body.
const ROOM: usize = 192;
/// Heads that are made room for at a time.
const HEADS: usize = 8;

/// How much of a series is kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keep {
    /// What is older than the newest by more than this goes, but for the [`STALE_INTERVALS`] by which
    /// silence is told.
    pub(super) window: Duration,
    /// What is older than the newest by more than this goes in any case.
    pub(super) retention: Duration,
    /// There are never more than this.
    pub(super) samples: usize,
}

/// When a sample's interval ended, and how long it was.
pub(super) trait Timed {
    fn received_at(&self) -> Timestamp;
    fn interval(&self) -> Duration;
}

/// The part of a packed sample that every decision looks at, and how long the rest is.
#[derive(Debug, Clone, Copy)]
struct Head {
    received_at_ns: u64,
    interval_ns: u64,
    /// Less than [`UNSCHEDULED`], 71 minutes; without scheduling exactly that.
    on_cpu_us: u32,
    length: u16,
    doubts: Doubts,
}

/// In the place of [`Head::on_cpu_us`]: the scheduler hook was not attached.
const UNSCHEDULED: u32 = u32::MAX;

/// Samples of one container: the heads, and the bodies one after the other in the same order.
///
/// Two allocations whatever the number of samples, and none for a further one once both have grown
/// to their size. Invariant: the bodies are the end of `bodies`, and the lengths of the heads add up to
/// theirs. What stands before are bodies of samples that are forgotten: moving the others to the front
/// each time would move all windows through the caches once a second.
#[derive(Debug, Clone, Default)]
pub(super) struct ContainerSeries {
    heads: VecDeque<Head>,
    bodies: Vec<u8>,
}

/// One sample of a container, as it is remembered.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    head: Head,
    body: Body<'a>,
}

impl<'a> Sample<'a> {
    /// When its interval ended, on the scaler's own clock.
    #[must_use]
    pub fn received_at(&self) -> Timestamp {
        self.head.received_at()
    }

    /// The measured length of the interval.
    #[must_use]
    pub fn interval(&self) -> Duration {
        self.head.interval()
    }

    /// Present while the scheduler hook was attached for this container.
    #[must_use]
    pub fn scheduling(&self) -> Option<Scheduling> {
        self.body.scheduling()
    }

    /// Time on a CPU to the microsecond, while the scheduler hook was attached for this container.
    pub(crate) fn on_cpu(&self) -> Option<Duration> {
        let on_cpu_us = self.head.on_cpu_us;
        (on_cpu_us != UNSCHEDULED).then(|| Duration::from_micros(on_cpu_us.into()))
    }

    /// How it contradicts itself.
    pub(crate) fn doubts(&self) -> Doubts {
        self.head.doubts
    }

    /// What was measured of `metric`.
    pub(crate) fn metric(&self, metric: Metric) -> Option<PackedDelta<'a>> {
        self.body.metric(metric)
    }
}

impl ContainerSeries {
    /// Puts `sample` where its time belongs. That is the end, but for reports that were held up on
    /// their way while later ones were not: what is older than the newest stays history, and never
    /// counts as the latest.
    pub(super) fn push(&mut self, sample: &ContainerSample, keep: Keep) {
        let received_at_ns = nanoseconds(sample.received_at.since_start());
        let place = self
            .heads
            .partition_point(|known| known.received_at_ns <= received_at_ns);
        self.make_room();
        let offset = self.offset(place);
        let before = self.bodies.len();
        pack(
            &sample.metrics,
            sample.scheduling.as_ref(),
            &mut self.bodies,
        );
        let length = self.bodies.len() - before;
        // It was packed at the end; where it belongs in between, what follows it goes behind it.
        self.bodies[offset..].rotate_right(length);
        let head = Head {
            received_at_ns,
            interval_ns: nanoseconds(sample.interval),
            on_cpu_us: sample.scheduling.as_ref().map_or(UNSCHEDULED, on_cpu_us),
            // At most 15 metrics of 64 buckets of 8 bytes.
            length: length as u16,
            doubts: Doubts::of(sample),
        };
        self.heads.insert(place, head);
        let newest = self
            .heads
            .back()
            .map_or(received_at_ns, |head| head.received_at_ns);
        let before_newest = |time| newest.saturating_sub(nanoseconds(time));
        let (window, retention) = (before_newest(keep.window), before_newest(keep.retention));
        let count = self.heads.len();
        let mut surplus = count.saturating_sub(keep.samples.max(1));
        // Ends at the newest, which is not older than itself.
        while self.heads.get(surplus).is_some_and(|oldest| {
            let at = oldest.received_at_ns;
            at < retention || at < window && count - surplus > STALE_INTERVALS as usize
        }) {
            surplus += 1;
        }
        self.forget(surplus);
    }

    /// Forgets what is older than `retention`; tells whether anything is left.
    pub(super) fn prune(&mut self, retention: Duration, now: Timestamp) -> bool {
        let old = |head: &Head| now.since(head.received_at()) > retention;
        let surplus = self.heads.partition_point(old);
        self.forget(surplus);
        !self.heads.is_empty()
    }

    pub(super) fn recent(
        &self,
        window: Duration,
        now: Timestamp,
    ) -> Option<impl Iterator<Item = Sample<'_>>> {
        let first = first_inside(&self.heads, window, now)?;
        let mut bodies = &self.bodies[self.offset(first)..];
        Some(self.heads.range(first..).map(move |head| {
            let (body, rest) = bodies.split_at(head.length as usize);
            bodies = rest;
            Sample {
                head: *head,
                body: Body(body),
            }
        }))
    }

    /// Where the body of the sample at `place` starts.
    fn offset(&self, place: usize) -> usize {
        let after: usize = self
            .heads
            .range(place..)
            .map(|head| head.length as usize)
            .sum();
        self.bodies.len() - after
    }

    fn forget(&mut self, oldest: usize) {
        self.heads.drain(..oldest);
    }

    /// Makes room for one more sample, first where forgotten ones are, then in small steps: doubling
    /// would leave half of all windows' memory unused.
    fn make_room(&mut self) {
        if self.heads.len() == self.heads.capacity() {
            self.heads.reserve_exact(HEADS);
        }
        if self.bodies.capacity() - self.bodies.len() >= ROOM {
            return;
        }
        let forgotten = self.offset(0);
        self.bodies.drain(..forgotten);
        // So that what is moved is moved once for several samples, also in a long window.
        let room = ROOM + self.bodies.len() / 8;
        if self.bodies.capacity() - self.bodies.len() < room {
            self.bodies.reserve_exact(room);
        }
    }
}

fn on_cpu_us(scheduling: &Scheduling) -> u32 {
    let us = u32::try_from(scheduling.on_cpu.as_micros()).unwrap_or(u32::MAX);
    us.min(UNSCHEDULED - 1)
}

/// Where a window of samples begins: the first from less than `window` before `now`, and in any case
/// the latest. `None` when there is none, or the source is silent.
pub(super) fn first_inside<S: Timed>(
    samples: &VecDeque<S>,
    window: Duration,
    now: Timestamp,
) -> Option<usize> {
    let latest = samples.back()?;
    if now.since(latest.received_at()) > silent_after(samples) {
        return None;
    }
    let outside = |sample: &S| now.since(sample.received_at()) >= window;
    Some(samples.partition_point(outside).min(samples.len() - 1))
}

/// How long after the latest sample the source counts as silent.
fn silent_after<S: Timed>(samples: &VecDeque<S>) -> Duration {
    let latest = samples.iter().rev().take(STALE_INTERVALS as usize);
    latest
        .map(Timed::interval)
        .fold(SHORTEST_INTERVAL, Duration::max)
        .saturating_mul(STALE_INTERVALS)
}

impl Timed for Head {
    fn received_at(&self) -> Timestamp {
        Timestamp::new(Duration::from_nanos(self.received_at_ns))
    }

    fn interval(&self) -> Duration {
        Duration::from_nanos(self.interval_ns)
    }
}
