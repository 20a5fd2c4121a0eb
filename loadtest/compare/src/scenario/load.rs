//! Users over time: phases as people write them, expanded to a number of users for each second.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// The load of a scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Load {
    /// Factor on the users' wait of 1 to 10 s between pages, above 0.
    #[serde(default = "one")]
    pub wait_scale: f64,
    /// After how many seconds a user gives a page up, which counts as a failure.
    #[serde(default = "ten")]
    pub page_timeout_seconds: f64,
    /// Source of the users' choices; see [`Load::seed_of`].
    #[serde(default)]
    pub seed: u64,
    /// Name of the phase whose begin is the load step. What comes before it is the pre-saturation
    /// phase, in which both autoscalers must have seen the same load.
    pub step: String,
    /// At least two: what comes before the step, and the step.
    pub phases: Vec<Phase>,
}

/// A part of the load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Phase {
    /// Unique among the phases.
    pub name: String,
    /// Length in seconds, at least 1.
    pub seconds: u32,
    /// Users during it.
    pub users: Users,
}

/// Users over the seconds of a phase. Rounded to whole users, at least 1.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Users {
    /// Always as many: written as the bare number.
    Constant(u32),
    /// Written as `{ramp: {from: 5, to: 28}}`.
    #[serde(serialize_with = "serde_yaml::with::singleton_map::serialize")]
    Shaped(Shape),
}

/// How the number of users changes during a phase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum Shape {
    /// Evenly from one number to another, which it reaches with the phase's last second.
    Ramp {
        /// At the begin.
        from: u32,
        /// At the end.
        to: u32,
    },
    /// A day: from `low` to `high` and back along a sine, as often as the phase lasts.
    Sine {
        /// At the begin of each period.
        low: u32,
        /// In the middle of each period.
        high: u32,
        /// Length of a period in seconds, at least 2.
        period_seconds: u32,
    },
    /// Exponentially from one number towards another.
    Decay {
        /// At the begin.
        from: u32,
        /// Approached and not crossed.
        to: u32,
        /// Seconds after which half of the way is done, at least 1.
        half_life_seconds: u32,
    },
    /// `peak` for some seconds at the begin of each period, `base` for the rest.
    Bursts {
        /// Between bursts.
        base: u32,
        /// In bursts.
        peak: u32,
        /// From the begin of one burst to that of the next, in seconds.
        every_seconds: u32,
        /// Length of a burst in seconds, less than `every_seconds`.
        for_seconds: u32,
    },
}

/// Seconds in which the number of users stays the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// Users.
    pub users: u32,
    /// How long, at least 1.
    pub seconds: u32,
}

fn one() -> f64 {
    1.0
}

fn ten() -> f64 {
    10.0
}

impl Load {
    /// Length of the whole load in seconds: the horizon over which trials are measured.
    #[must_use]
    pub fn seconds(&self) -> u32 {
        self.phases.iter().map(|phase| phase.seconds).sum()
    }

    /// The second at which the load step is planned.
    #[must_use]
    pub fn step_second(&self) -> u32 {
        self.phases
            .iter()
            .take_while(|phase| phase.name != self.step)
            .map(|phase| phase.seconds)
            .sum()
    }

    /// The number of users planned for each second.
    #[must_use]
    pub fn users_per_second(&self) -> Vec<u32> {
        self.phases
            .iter()
            .flat_map(|phase| (0..phase.seconds).map(|second| phase.users_at(second)))
            .collect()
    }

    /// The same with seconds of equal users put together, except that a stage begins at the load step
    /// in any case, so that its true begin is told.
    #[must_use]
    pub fn stages(&self) -> Vec<Stage> {
        let step = self.step_second() as usize;
        let mut stages: Vec<Stage> = Vec::new();
        for (second, users) in self.users_per_second().into_iter().enumerate() {
            match stages.last_mut() {
                Some(last) if last.users == users && second != step => last.seconds += 1,
                _ => stages.push(Stage { users, seconds: 1 }),
            }
        }
        stages
    }

    /// Position of the stage, among [`Load::stages`], that begins with the load step.
    #[must_use]
    pub fn step_stage(&self) -> usize {
        let mut begin = 0;
        self.stages()
            .iter()
            .take_while(|stage| {
                let before = begin < self.step_second();
                begin += stage.seconds;
                before
            })
            .count()
    }

    /// The seed of a trial, counted from 1: the same for both autoscalers, another for each trial.
    #[must_use]
    pub fn seed_of(&self, trial: u32) -> u64 {
        self.seed.wrapping_add(u64::from(trial))
    }
}

impl Phase {
    /// Users in this second of the phase, counted from 0.
    fn users_at(&self, second: u32) -> u32 {
        let users = match &self.users {
            Users::Constant(users) => f64::from(*users),
            Users::Shaped(shape) => shape.users_at(second, self.seconds),
        };
        // Between two `u32`, so that it fits.
        (users.round() as u32).max(1)
    }
}

impl Shape {
    /// Users in this second, counted from 0, of a phase of `seconds`.
    fn users_at(&self, second: u32, seconds: u32) -> f64 {
        let t = f64::from(second);
        match *self {
            Self::Ramp { from, to } => {
                let last = seconds.saturating_sub(1).max(1);
                between(from, to, t / f64::from(last))
            }
            Self::Sine {
                low,
                high,
                period_seconds,
            } => {
                let angle = std::f64::consts::TAU * t / f64::from(period_seconds.max(1));
                between(low, high, (1.0 - angle.cos()) / 2.0)
            }
            Self::Decay {
                from,
                to,
                half_life_seconds,
            } => {
                let left = (-t / f64::from(half_life_seconds.max(1))).exp2();
                between(to, from, left)
            }
            Self::Bursts {
                base,
                peak,
                every_seconds,
                for_seconds,
            } => {
                let burst = second % every_seconds.max(1) < for_seconds;
                f64::from(if burst { peak } else { base })
            }
        }
    }
}

/// The number that is `share` of the way from `from` to `to`.
fn between(from: u32, to: u32, share: f64) -> f64 {
    f64::from(from) + (f64::from(to) - f64::from(from)) * share
}

impl<'de> Deserialize<'de> for Users {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UsersVisitor)
    }
}

/// By hand, because an untagged enum forgets where it was and what it expected.
struct UsersVisitor;

impl<'de> Visitor<'de> for UsersVisitor {
    type Value = Users;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of users, or one of ramp, sine, decay, bursts")
    }

    fn visit_u64<E: serde::de::Error>(self, users: u64) -> Result<Users, E> {
        u32::try_from(users)
            .map(Users::Constant)
            .map_err(|_| E::custom(format_args!("{users} users are too many")))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Users, A::Error> {
        Shape::deserialize(MapAccessDeserializer::new(map)).map(Users::Shaped)
    }
}
