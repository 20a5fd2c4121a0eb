//! cAdvisor's schedule of looking at each container ("housekeeping").

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Reading, Sample};
use crate::time::Moment;

/// When one container is looked at next.
///
/// As kubelet configures cAdvisor: a base interval of 10 s, doubled up to 15 s while nothing
/// changes, and each wait stretched by a random factor of 1 to 2. So a busy container is looked at
/// every 10-20 s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Housekeeping {
    interval: Duration,
    next: Moment,
}

/// The samples of a node's containers.
///
/// Holds one sample per container of the last [`Cadvisor::observe`]; gone containers are forgotten.
#[derive(Debug, Clone, Default)]
pub struct Cadvisor {
    containers: BTreeMap<(String, String), (Housekeeping, Sample)>,
}

impl Housekeeping {
    /// The shortest interval.
    pub const BASE: Duration = Duration::from_secs(10);
    /// The longest interval, before stretching.
    pub const MAX: Duration = Duration::from_secs(15);

    /// The schedule of a container first looked at now; `random` is in `0..1`.
    pub fn starting(now: Moment, random: f64) -> Self {
        Self {
            interval: Self::BASE,
            next: now,
        }
        .after(now, true, random)
    }

    /// Whether the next look is due.
    pub fn is_due(&self, now: Moment) -> bool {
        self.next <= now
    }

    /// When the next look is due.
    pub fn next(&self) -> Moment {
        self.next
    }

    /// The schedule after a look; `changed` says whether it found anything new.
    #[must_use]
    pub fn after(self, now: Moment, changed: bool, random: f64) -> Self {
        let interval = if changed {
            Self::BASE
        } else {
            (self.interval * 2).min(Self::MAX)
        };
        let stretch = 1.0 + random.clamp(0.0, 1.0);
        Self {
            interval,
            next: now.plus(interval.mul_f64(stretch)),
        }
    }
}

impl Cadvisor {
    /// Shows all containers there are now. Those that are due are sampled, new ones at once;
    /// `random` gives numbers in `0..1`.
    pub fn observe(&mut self, readings: &[Reading], now: Moment, mut random: impl FnMut() -> f64) {
        let mut before = std::mem::take(&mut self.containers);
        for reading in readings {
            let key = (reading.pod.clone(), reading.container.clone());
            let sample = || Sample {
                reading: reading.clone(),
                at: now,
            };
            let entry = match before.remove(&key) {
                Some((schedule, last)) if last.reading.started_at == reading.started_at => {
                    if schedule.is_due(now) {
                        let changed = last.reading != *reading;
                        (schedule.after(now, changed, random()), sample())
                    } else {
                        (schedule, last)
                    }
                }
                _ => (Housekeeping::starting(now, random()), sample()),
            };
            self.containers.insert(key, entry);
        }
    }

    /// The latest sample of each container: what a scrape of the node shows.
    pub fn latest(&self) -> impl Iterator<Item = &Sample> {
        self.containers.values().map(|(_, sample)| sample)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_container_is_looked_at_every_10_to_20_s_an_idle_one_more_rarely() {
        let now = Moment::default();
        let busy = |random| {
            Housekeeping::starting(now, 0.5)
                .after(now, true, random)
                .next
        };
        assert_eq!(
            (busy(0.0), busy(1.0)),
            (Moment::from_secs(10), Moment::from_secs(20))
        );
        let idle = Housekeeping::starting(now, 0.5).after(now, false, 0.0);
        assert_eq!(idle.next, Moment::from_secs(15));
        assert_eq!(
            idle.after(now, false, 1.0).next,
            Moment::from_secs(30),
            "no longer than that"
        );
        assert_eq!(
            idle.after(now, true, 0.0).next,
            Moment::from_secs(10),
            "back to the base"
        );
    }
}
