//! The second half of a pass: what the write came to.

use super::{Action, Event, Outcome, Pass, PassError, ScaleWrite, WriteAnswer};
use crate::behavior::{Behavior, Direction};
use crate::history::{History, store_event};
use crate::status::ConditionKind::{AbleToScale, ScaledToZero};
use crate::time::Moment;

impl Pass {
    /// Concludes the pass. `writes` are all attempts to write [`Pass::wanted`], the last of them
    /// deciding; none at all, where one was wanted, is a failed write.
    pub fn finish(
        mut self,
        writes: Vec<ScaleWrite>,
        history: &mut History,
        now: Moment,
    ) -> Outcome {
        let mut action = Action::None;
        if !self.concluded {
            self.status.current_replicas = self.current;
            if !self.wants_write {
                self.status.desired_replicas = self.current;
            } else if let Err(error) = verdict(&writes) {
                self.fail_to_write(error, now);
            } else {
                action = Action::between(self.current, self.desired);
                self.written(history, now);
            }
        }
        Outcome {
            status_changed: self.status != self.hpa_status,
            status: self.status,
            scale_writes: writes,
            events: self.events,
            metrics: self.results,
            action,
            error: self.error,
        }
    }

    fn written(&mut self, history: &mut History, now: Moment) {
        let (from, to) = (self.current, self.desired);
        let message = format!("the HPA controller was able to update the target scale to {to}");
        self.status
            .set_condition(AbleToScale, true, "SucceededRescale", message, now);
        if self.scale_to_zero {
            // Remembers who scaled to zero: only then may it come back by itself.
            let to_zero = from > 0 && to == 0 && self.min_replicas == 0 && self.reads_without_pods;
            let (reason, message) = if to_zero {
                (
                    "ScaledToZero",
                    "the HPA controller scaled the workload to zero",
                )
            } else {
                (
                    "NotScaledToZero",
                    "the HPA controller did not scale the workload to zero",
                )
            };
            self.status
                .set_condition(ScaledToZero, to_zero, reason, message, now);
        }
        let message = format!("New size: {to}; reason: {}", self.rescale_reason);
        self.events.push(Event {
            warning: false,
            reason: "SuccessfulRescale".to_owned(),
            message,
        });
        if let Some(behavior) = &self.behavior {
            remember_change(behavior, history, from, to, now);
        }
        self.status.desired_replicas = to;
        self.status.last_scale_time = Some(now);
    }

    fn fail_to_write(&mut self, error: String, now: Moment) {
        let message = format!(
            "New size: {}; reason: {}; error: {error}",
            self.desired, self.rescale_reason
        );
        self.events.push(Event {
            warning: true,
            reason: "FailedRescale".to_owned(),
            message,
        });
        let message = format!("the HPA controller was unable to update the target scale: {error}");
        self.status
            .set_condition(AbleToScale, false, "FailedUpdateScale", message, now);
        self.error = Some(PassError::Rescale {
            target: self.target.clone(),
            error,
        });
    }
}

fn verdict(writes: &[ScaleWrite]) -> Result<(), String> {
    match writes.last().map(|write| &write.answer) {
        Some(WriteAnswer::Ok) => Ok(()),
        Some(WriteAnswer::Error(error)) => Err(error.clone()),
        Some(WriteAnswer::Conflict) => Err(
            "the object has been modified; please apply your changes to the latest version"
                .to_owned(),
        ),
        None => Err("the scale was not written".to_owned()),
    }
}

/// Logs the change for the rate limits. The window does not matter here, only the periods.
fn remember_change(behavior: &Behavior, history: &mut History, from: i32, to: i32, now: Moment) {
    let rules = |direction| behavior.rules(direction, std::time::Duration::ZERO);
    if to > from {
        store_event(
            &mut history.scale_up_events,
            &rules(Direction::Up),
            to - from,
            now,
        );
    } else {
        store_event(
            &mut history.scale_down_events,
            &rules(Direction::Down),
            from - to,
            now,
        );
    }
}
