//! Feeds the core with a recording.

use std::collections::HashMap;
use std::time::Duration;

use scaler_core::{Autoscaler, Decision, ScalingPolicy, Timestamp, Windows};

use super::what_if::WhatIf;
use crate::policies::target_of;
use crate::recording::{Entry, RecordedDecision, Start};
use crate::workloads::DeploymentKey;

/// Replays entry by entry. It holds what the recording scaler held, and as bounded.
#[derive(Debug)]
pub struct Player {
    windows: Windows,
    tracks: HashMap<DeploymentKey, Track>,
    others: HashMap<DeploymentKey, ScalingPolicy>,
    /// The start before, to notice what is missing.
    last_start: Option<(u64, u64)>,
    /// One moment on the recording scaler's clock and on the wall.
    clock: (Timestamp, i64),
    samples: Samples,
    unknown: u64,
}

/// Whether the windows hold what the recording scaler's held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Samples {
    /// They do.
    Complete,
    /// Something is missing before this moment; complete once the scaler has forgotten what it was.
    MissingBefore { at: Timestamp, retention: Duration },
}

/// A deployment under a policy.
#[derive(Debug)]
struct Track {
    policy: ScalingPolicy,
    /// `None` while it is not known what the recorded one remembered.
    autoscaler: Option<Autoscaler>,
    what_if: Option<WhatIf>,
    /// Replicas that the next decision should find, if nobody else changes them.
    expected: Option<u32>,
}

/// A decision and what it is when made again.
#[derive(Debug)]
pub struct Replayed<'a> {
    /// The recorded one.
    pub recorded: &'a RecordedDecision,
    /// The policy that was in force.
    pub policy: &'a ScalingPolicy,
    /// The moment of the decision by the wall clock, in milliseconds since 1970 (UTC): that of the
    /// last start, plus what the recording scaler's own clock says has passed.
    pub wall_ms: i64,
    /// Whether the same came out.
    pub reproduced: Reproduced,
    /// What the other policy would have decided, if there is one for this deployment.
    pub would_be: Option<Decision>,
}

/// Whether deciding again gives what was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reproduced {
    /// To the last bit.
    Exactly,
    /// It does not: another version of the scaler recorded, or the recording is not what it was.
    Differently,
}

impl Player {
    /// Asks each of `others` about the deployment that it is for.
    pub fn new(others: impl IntoIterator<Item = ScalingPolicy>) -> Self {
        let others = others.into_iter();
        Player {
            windows: Windows::default(),
            tracks: HashMap::new(),
            others: others.map(|policy| (target_of(&policy), policy)).collect(),
            last_start: None,
            clock: (Timestamp::default(), 0),
            samples: Samples::Complete,
            unknown: 0,
        }
    }

    /// Decisions so far that cannot be made again, because what came before them is missing.
    #[must_use]
    pub fn unknown(&self) -> u64 {
        self.unknown
    }

    /// Takes one entry in; `visit` is shown each decision that can be made again.
    pub fn play(&mut self, entry: Entry, visit: &mut impl FnMut(Replayed<'_>)) {
        match entry {
            Entry::Start(start) => self.start(&start),
            Entry::Policy { target, policy } => self.policy(target, *policy),
            Entry::PolicyGone(target) => {
                self.tracks.remove(&target);
            }
            Entry::Node { node, sample } => self.windows.record_node(&node, sample),
            Entry::Container {
                pod,
                container,
                window,
                sample,
            } => self.windows.record_for(window, &pod, &container, &sample),
            Entry::NodeWindow(window) => self.windows.set_node_window(window),
            // The next start does not follow, whatever its number.
            Entry::Missing => self.last_start = None,
            Entry::Pruned(at) => self.pruned(at),
            Entry::Decision(decision) => self.decision(&decision, visit),
            Entry::Scaled {
                target,
                at,
                from,
                to,
            } => {
                if let Some(track) = self.tracks.get_mut(&target) {
                    track.expected = Some(to);
                    if let Some(autoscaler) = &mut track.autoscaler {
                        autoscaler.scaled(from, to, at);
                    }
                }
            }
            Entry::Memory { target, memory, .. } => {
                if let (Samples::Complete, Some(track), Some(memory)) =
                    (self.samples, self.tracks.get_mut(&target), memory)
                    && track.autoscaler.is_none()
                {
                    let policy = track.policy.clone();
                    track.autoscaler = Some(Autoscaler::with_memory(policy, *memory));
                }
            }
        }
    }

    fn start(&mut self, start: &Start) {
        let follows = self.last_start == Some((start.session, start.number.wrapping_sub(1)))
            && start.lost_blocks == 0;
        self.last_start = Some((start.session, start.number));
        self.clock = (start.at, start.wall_ms);
        if start.begins {
            self.forget();
            self.samples = Samples::Complete;
        } else if !follows {
            self.forget();
            self.samples = Samples::MissingBefore {
                at: start.at,
                retention: start.retention,
            };
        }
    }

    /// What follows has nothing to do with what came before.
    fn forget(&mut self) {
        self.windows = Windows::default();
        self.tracks.clear();
    }

    fn policy(&mut self, target: DeploymentKey, policy: ScalingPolicy) {
        if let Some(track) = self.tracks.get_mut(&target) {
            if track.policy != policy {
                if let Some(autoscaler) = &mut track.autoscaler {
                    autoscaler.set_policy(policy.clone());
                }
                track.policy = policy;
            }
            return;
        }
        // What it begins with is told next; and if it is no new one, in a few minutes.
        let track = Track {
            autoscaler: None,
            policy,
            what_if: None,
            expected: None,
        };
        self.tracks.insert(target, track);
    }

    fn pruned(&mut self, at: Timestamp) {
        self.windows.prune(at);
        if let Samples::MissingBefore { at: gap, retention } = self.samples
            && at.since(gap) > retention
        {
            self.samples = Samples::Complete;
        }
    }

    fn decision(&mut self, recorded: &RecordedDecision, visit: &mut impl FnMut(Replayed<'_>)) {
        let Some(track) = self.tracks.get_mut(&recorded.target) else {
            self.unknown += 1;
            return;
        };
        let expected = track.expected.replace(recorded.current_replicas);
        let Some(autoscaler) = &mut track.autoscaler else {
            self.unknown += 1;
            return;
        };
        let (at, wall) = self.clock;
        let wall_ms = wall.saturating_add(recorded.at.since(at).as_millis() as i64);
        let observation = recorded.observation(&self.windows);
        let current = recorded.current_replicas;
        if track.what_if.is_none()
            && let Some(other) = self.others.get(&recorded.target)
        {
            track.what_if = Some(WhatIf::new(autoscaler, other.clone(), current));
        }
        let would_be = track.what_if.as_mut().map(|what_if| {
            if expected.is_some_and(|expected| expected != current) {
                what_if.set_replicas(current);
            }
            what_if.decide(&observation, recorded.at)
        });
        let again = autoscaler.decide(&observation, recorded.at);
        let same = serde_json::to_string(&again).is_ok_and(|again| again == recorded.decision);
        visit(Replayed {
            recorded,
            policy: &track.policy,
            wall_ms,
            reproduced: match same {
                true => Reproduced::Exactly,
                false => Reproduced::Differently,
            },
            would_be,
        });
    }
}
