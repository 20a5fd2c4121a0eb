//! Users over time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::LocustError;

/// A part of the plan with one target number of users.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// Users at the end of the change that opens the stage.
    pub users: u32,
    /// Length of the stage. Locust looks at the plan once a second, so a stage begins up to a second late; its true
    /// begin is an [`Event::Stage`](super::Event::Stage).
    pub seconds: u32,
    /// Users that start (or leave) per second.
    pub spawn_rate: f64,
}

/// What Locust is to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoadPlan {
    /// Where the shop's frontend is, such as `http://127.96.0.1:80`.
    pub host: String,
    /// Users over time; the end of the last stage ends the run.
    pub stages: Vec<Stage>,
    /// Source of the users' choices: with the same seed, each user does the same things.
    pub seed: u64,
    /// Factor on the users' wait of 1 to 10 s between tasks.
    pub wait_scale: f64,
    /// After how long a user gives a page up, which counts as a failure with status 0.
    pub page_timeout: Duration,
    /// Users that start together open their first page within this time, each at a moment of its own.
    pub start_spread: Duration,
    /// Have Locust also write its own statistics, second by second.
    pub csv: bool,
}

/// Spawn rate at which all users of a stage are there at once.
pub const AT_ONCE: f64 = 10_000.0;

impl LoadPlan {
    /// The demo's load step: `before` seconds of about 7 page requests a second, at which every pod of the shop is at
    /// rest, then `after` seconds of about ten times as many, which ask twice of recommendation's one pod what it can
    /// do.
    ///
    /// Few users with short waits rather than many with long ones: the step is there within a second, also behind the
    /// index page that every new user opens first.
    #[must_use]
    pub fn step(host: impl Into<String>, before: u32, after: u32) -> Self {
        let stage = |users, seconds| Stage {
            users,
            seconds,
            spawn_rate: AT_ONCE,
        };
        Self {
            host: host.into(),
            stages: vec![stage(4, before), stage(40, after)],
            seed: 1,
            wait_scale: 0.1,
            page_timeout: Duration::from_secs(10),
            start_spread: Duration::from_millis(500),
            csv: false,
        }
    }

    /// Length of the whole plan.
    #[must_use]
    pub fn duration(&self) -> Duration {
        Duration::from_secs(
            self.stages
                .iter()
                .map(|stage| u64::from(stage.seconds))
                .sum(),
        )
    }

    /// Refuses what Locust would misunderstand.
    pub(super) fn check(&self) -> Result<(), LocustError> {
        let wrong = |message: String| Err(LocustError::Plan(message));
        if !self.host.starts_with("http://") && !self.host.starts_with("https://") {
            return wrong(format!(
                "host is {:?}: expected http://NAME:PORT",
                self.host
            ));
        }
        if self.stages.is_empty() {
            return wrong("it has no stage".into());
        }
        for (index, stage) in self.stages.iter().enumerate() {
            if stage.seconds == 0 {
                return wrong(format!("stage {index} lasts 0 seconds"));
            }
            if !(stage.spawn_rate.is_finite() && stage.spawn_rate > 0.0) {
                return wrong(format!(
                    "stage {index} has spawn_rate {}: expected more than 0",
                    stage.spawn_rate
                ));
            }
        }
        if !(self.wait_scale.is_finite() && self.wait_scale > 0.0) {
            return wrong(format!(
                "wait_scale is {}: expected more than 0",
                self.wait_scale
            ));
        }
        if self.page_timeout.is_zero() {
            return wrong("page_timeout is 0".into());
        }
        Ok(())
    }

    /// The plan as the locustfile reads it.
    pub(super) fn environment(&self) -> [(&'static str, String); 6] {
        let stages = serde_json::to_string(&self.stages).expect("numbers always serialise");
        [
            ("VIPERSCALE_STAGES", stages),
            ("VIPERSCALE_WAIT_SCALE", self.wait_scale.to_string()),
            ("VIPERSCALE_SEED", self.seed.to_string()),
            (
                "VIPERSCALE_TIMEOUT",
                self.page_timeout.as_secs_f64().to_string(),
            ),
            (
                "VIPERSCALE_START_SPREAD",
                self.start_spread.as_secs_f64().to_string(),
            ),
            ("VIPERSCALE_EVENTS", "stdout".into()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_plan_is_a_plan() {
        let plan = LoadPlan::step("http://127.0.0.1:80", 20, 60);
        plan.check().unwrap();
        assert_eq!(plan.duration(), Duration::from_secs(80));
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        type Spoil = fn(&mut LoadPlan);
        let cases: [(Spoil, &str); 6] = [
            (|plan| plan.host = "localhost".into(), "host"),
            (|plan| plan.stages.clear(), "no stage"),
            (|plan| plan.stages[1].seconds = 0, "stage 1"),
            (|plan| plan.stages[0].spawn_rate = 0.0, "spawn_rate"),
            (|plan| plan.wait_scale = f64::NAN, "wait_scale"),
            (|plan| plan.page_timeout = Duration::ZERO, "page_timeout"),
        ];
        for (spoil, named) in cases {
            let mut plan = LoadPlan::step("http://127.0.0.1:80", 20, 60);
            spoil(&mut plan);
            let message = plan.check().unwrap_err().to_string();
            assert!(message.contains(named), "{message}");
        }
    }
}
