//! Sums up a replay.

use std::collections::BTreeMap;
use std::path::Path;

use scaler_core::ScalingPolicy;
use serde::Serialize;

use super::player::{Replayed, Reproduced};
use super::side::{Seen, Side, applied, name};
use super::story::{Point, Step, Story, Turn};
use crate::explain::view::DecisionView;
use crate::policies::target_of;
use crate::recording::Damage;
use crate::workloads::DeploymentKey;

/// Two decisions further apart than this say nothing about the time between them.
const LONGEST_GAP_SECONDS: f64 = 30.0;

/// What every output says.
pub(super) const CAVEAT: &str = "The recorded load does not react: what its metrics ask for is computed from the pods that \
     were really there. How waiting, failures and users would have answered to the other replica counts is not known.";

/// The outcome of a replay.
#[derive(Debug, Serialize)]
pub struct Report {
    /// What was replayed.
    pub recording: String,
    /// The file of the other policies.
    pub policy: Option<String>,
    /// What of the recording could not be read.
    pub damage: Vec<Damage>,
    /// Decisions that were made again.
    pub decisions: u64,
    /// Of these, how many came out exactly as recorded.
    pub reproduced: u64,
    /// Decisions that could not be made again, because what they were made from is not in the
    /// recording any more.
    pub not_replayable: u64,
    /// The first that came out otherwise.
    pub first_difference: Option<Difference>,
    /// What a replay cannot know.
    pub caveat: &'static str,
    /// By namespace and name.
    pub deployments: Vec<DeploymentReport>,
}

/// A decision that was not reproduced.
#[derive(Debug, Clone, Serialize)]
pub struct Difference {
    /// `NAMESPACE/NAME` of the deployment.
    pub deployment: String,
    /// Milliseconds since 1970 (UTC).
    pub wall_ms: i64,
    /// What was recorded.
    pub recorded: String,
}

/// One deployment.
#[derive(Debug, Serialize)]
pub struct DeploymentReport {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub deployment: String,
    /// When the story begins, in milliseconds since 1970 (UTC).
    pub begin_wall_ms: i64,
    /// Time from the first decision to the last, without gaps.
    pub seconds: f64,
    /// Decisions that were made again.
    pub decisions: u64,
    /// Of these, exactly as recorded.
    pub reproduced: u64,
    /// What happened.
    pub recorded: Side,
    /// What would have.
    pub would_be: Option<Side>,
    /// Metrics that the other policy asks for and that were never measured: it was blind to them.
    pub not_measured: Vec<String>,
    /// Moments of change.
    pub turns: Vec<Turn>,
    /// Changes that found no room in `turns`.
    pub turns_left_out: u64,
    /// The course, for the plot.
    #[serde(skip)]
    pub story: Story,
}

/// Collects while a recording is played.
pub(super) struct Builder {
    deployments: BTreeMap<DeploymentKey, Course>,
    /// The other policies' names.
    others: BTreeMap<DeploymentKey, String>,
    first_difference: Option<Difference>,
    not_replayable: u64,
}

struct Course {
    report: DeploymentReport,
    last_at: f64,
    /// What a decision last asked for, and why.
    wish: Option<(u32, String)>,
    /// Whether each metric of the other policy was ever measured.
    measured: BTreeMap<String, bool>,
}

impl Report {
    /// Whether every decision that could be made again came out as recorded.
    #[must_use]
    pub fn is_reproduced(&self) -> bool {
        self.decisions == self.reproduced
    }
}

impl DeploymentReport {
    /// `NAMESPACE/NAME`.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}/{}", self.namespace, self.deployment)
    }
}

impl Builder {
    pub(super) fn new(others: &[ScalingPolicy]) -> Self {
        Builder {
            deployments: BTreeMap::new(),
            others: others
                .iter()
                .map(|policy| (target_of(policy), name(policy)))
                .collect(),
            first_difference: None,
            not_replayable: 0,
        }
    }

    pub(super) fn skipped(&mut self, decisions: u64) {
        self.not_replayable = decisions;
    }

    pub(super) fn take(&mut self, replayed: Replayed<'_>) {
        let target = &replayed.recorded.target;
        let exactly = replayed.reproduced == Reproduced::Exactly;
        if !exactly && self.first_difference.is_none() {
            self.first_difference = Some(Difference {
                deployment: target.to_string(),
                wall_ms: replayed.wall_ms,
                recorded: replayed.recorded.decision.clone(),
            });
        }
        let course = self
            .deployments
            .entry(target.clone())
            .or_insert_with(|| Course::new(target, replayed.wall_ms));
        if let (Some(would_be), None) = (&replayed.would_be, &course.report.would_be) {
            course.report.would_be = Some(Side {
                policy: self.others.get(target).cloned().unwrap_or_default(),
                last: Some(would_be.current),
                ..Side::default()
            });
        }
        course.report.decisions += 1;
        course.report.reproduced += u64::from(exactly);
        // What cannot be read is counted above as a difference.
        if let Ok(decision) = serde_json::from_str::<DecisionView>(&replayed.recorded.decision) {
            course.take(&replayed, &decision);
        }
    }

    pub(super) fn finish(
        self,
        recording: &Path,
        other: Option<&Path>,
        damage: Vec<Damage>,
    ) -> Report {
        let deployments: Vec<DeploymentReport> =
            self.deployments.into_values().map(Course::finish).collect();
        let sum = |of: fn(&DeploymentReport) -> u64| deployments.iter().map(of).sum::<u64>();
        Report {
            recording: recording.display().to_string(),
            policy: other.map(|path| path.display().to_string()),
            damage,
            decisions: sum(|deployment| deployment.decisions),
            reproduced: sum(|deployment| deployment.reproduced),
            not_replayable: self.not_replayable,
            first_difference: self.first_difference,
            caveat: CAVEAT,
            deployments,
        }
    }
}

impl Course {
    fn new(target: &DeploymentKey, wall_ms: i64) -> Self {
        Course {
            report: DeploymentReport {
                namespace: target.namespace.to_string(),
                deployment: target.name.to_string(),
                begin_wall_ms: wall_ms,
                seconds: 0.0,
                decisions: 0,
                reproduced: 0,
                recorded: Side::default(),
                would_be: None,
                not_measured: Vec::new(),
                turns: Vec::new(),
                turns_left_out: 0,
                story: Story::default(),
            },
            last_at: 0.0,
            wish: None,
            measured: BTreeMap::new(),
        }
    }

    fn take(&mut self, replayed: &Replayed<'_>, decision: &DecisionView) {
        let report = &mut self.report;
        let at = (replayed.wall_ms - report.begin_wall_ms) as f64 / 1000.0;
        let passed = Some(at - self.last_at).filter(|gap| (0.0..LONGEST_GAP_SECONDS).contains(gap));
        let passed = passed.unwrap_or(0.0);
        self.last_at = at;
        report.seconds += passed;

        let recorded = &mut report.recorded;
        recorded.set_policy(replayed.policy);
        let limits: Vec<&str> = decision.limits.iter().map(String::as_str).collect();
        let seen = Seen {
            replicas: decision.current,
            is_silent: decision.reason == "InsufficientData",
            is_limited: !limits.is_empty(),
            is_at_max: limits.contains(&"TooManyReplicas"),
        };
        let step = recorded.see(at, passed, &seen).map(|(from, to)| Step {
            from,
            to,
            // The decision that led to it came before; this one sees its effect.
            message: match &self.wish {
                Some((wish, message)) if *wish == to => message.clone(),
                _ => "changed by somebody else".to_owned(),
            },
        });
        if decision.desired != decision.current {
            self.wish = Some((decision.desired, decision.message.clone()));
        }
        let mut would_step = None;
        if let (Some(would_be), Some(side)) = (&replayed.would_be, &mut report.would_be) {
            side.mode = format!("{:?}", would_be.mode);
            let seen = Seen::of(would_be);
            would_step = side.see(at, passed, &seen).map(|(from, to)| Step {
                from,
                to,
                message: would_be.message.clone(),
            });
            for evidence in &would_be.evidence {
                let name = match &evidence.container {
                    Some(container) => format!("{} of {container}", evidence.metric),
                    None => evidence.metric.to_string(),
                };
                *self.measured.entry(name).or_default() |= evidence.pods_used > 0;
            }
        }
        if step.is_some() || would_step.is_some() {
            report.story.turn(Turn {
                at,
                recorded: step,
                would_be: would_step,
            });
        }
        let leading = decision.evidence.iter().find(|e| e.threshold.is_some());
        if let Some(leading) = leading {
            let container = leading.container.as_ref();
            let of = container.map_or(String::new(), |name| format!(" of {name}"));
            report.story.metric = format!("{} {}{of}", leading.metric, leading.statistic);
            report.story.unit.clone_from(&leading.unit);
        }
        let same_metric = |other: &&scaler_core::Evidence| {
            leading.is_some_and(|leading| {
                other.metric.name() == leading.metric
                    && other.statistic.name() == leading.statistic
                    && other.container == leading.container
            })
        };
        let other = replayed.would_be.as_ref();
        report.story.point(Point {
            at,
            recorded: decision.current,
            would_be: other.map(applied),
            value: leading.and_then(|leading| leading.value),
            threshold: leading.and_then(|leading| leading.threshold),
            other_threshold: other
                .and_then(|other| other.evidence.iter().find(same_metric)?.threshold),
        });
    }

    fn finish(mut self) -> DeploymentReport {
        let report = &mut self.report;
        let blind = self.measured.iter().filter(|(_, measured)| !**measured);
        report.not_measured = blind.map(|(name, _)| name.clone()).collect();
        report.turns = std::mem::take(&mut report.story.turns);
        report.turns_left_out = report.story.turns_left_out;
        self.report
    }
}
