//! Which lasting states are worth telling, and when. Pure.

use std::time::Duration;

use scaler_core::{Decision, Reason, Timestamp};

use crate::events::Cause;

/// A state that passes by itself within this time is nobody's business: agents connect, pods start.
const PATIENCE: Duration = Duration::from_secs(30);
/// One that lasts is told again, which raises its Event's count and keeps it from expiring.
const REPEAT: Duration = Duration::from_secs(300);

/// Watches one policy's decisions for states that last.
#[derive(Debug, Default)]
pub(super) struct Notices(Option<State>);

#[derive(Debug)]
struct State {
    cause: Cause,
    /// When it is told next.
    due: Timestamp,
}

impl Notices {
    /// What is to be told now that `decision` was made.
    pub(super) fn after(&mut self, decision: &Decision, now: Timestamp) -> Option<Cause> {
        let cause = match decision.reason {
            Reason::InsufficientData | Reason::Fallback => Cause::NoEvidence,
            Reason::NodeSaturated => Cause::NodesFull,
            _ => {
                self.0 = None;
                return None;
            }
        };
        match &mut self.0 {
            Some(state) if state.cause == cause => {
                if now < state.due {
                    return None;
                }
                state.due = now.after(REPEAT);
                Some(cause)
            }
            state => {
                let due = now.after(PATIENCE);
                *state = Some(State { cause, due });
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use scaler_core::{Mode, PodCounts};

    fn told(reasons: impl Fn(u64) -> Reason, seconds: u64) -> Vec<(u64, Cause)> {
        let mut notices = Notices::default();
        (0..seconds)
            .filter_map(|second| {
                let decision = Decision {
                    desired: 1,
                    current: 1,
                    mode: Mode::Active,
                    reason: reasons(second),
                    message: String::new(),
                    evidence: Vec::new(),
                    limits: Vec::new(),
                    conditions: Vec::new(),
                    pods: PodCounts::default(),
                };
                let cause = notices.after(&decision, Timestamp::from_secs(second))?;
                Some((second, cause))
            })
            .collect()
    }

    #[test]
    fn only_what_lasts_is_told_and_seldom_again() {
        let silent = told(|_| Reason::InsufficientData, 700);
        let expected = [30, 330, 630].map(|second| (second, Cause::NoEvidence));
        assert_eq!(silent, expected);
        let now_and_then = |second: u64| match second % 20 {
            0 => Reason::WithinThreshold,
            _ => Reason::InsufficientData,
        };
        assert!(told(now_and_then, 700).is_empty());
        let another = |second| match second < 20 {
            true => Reason::InsufficientData,
            false => Reason::NodeSaturated,
        };
        assert_eq!(told(another, 60), [(50, Cause::NodesFull)]);
    }
}
