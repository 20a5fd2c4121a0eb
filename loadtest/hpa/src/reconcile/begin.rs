//! The first half of a pass: look, compute, normalise.

use super::{Event, Observation, Pass, PassError, Scale};
use crate::history::History;
use crate::limits::Step;
use crate::metrics::{ScaleReplicas, compute};
use crate::normalize::normalize;
use crate::pod::Pod;
use crate::replicas::Calculator;
use crate::selector::Selector;
use crate::settings::Settings;
use crate::spec::Hpa;
use crate::status::ConditionKind::{AbleToScale, ScaledToZero, ScalingActive};
use crate::time::Moment;

/// Decides what to write. Logs the recommendation, whether the write will succeed or not.
pub fn begin(
    hpa: &Hpa,
    settings: &Settings,
    observation: &Observation<'_>,
    history: &mut History,
    now: Moment,
) -> Pass {
    let mut pass = Pass::new(hpa, settings);
    match &observation.scale {
        Err(error) => pass.fail_to_get_scale(error, now),
        Ok(scale) => {
            let message = "the HPA controller was able to get the target's current scale";
            pass.status
                .set_condition(AbleToScale, true, "SucceededGetScale", message, now);
            pass.current = scale.spec_replicas;
            history.seed(pass.current, now);
            pass.decide(hpa, settings, scale, observation, history, now);
        }
    }
    pass
}

impl Pass {
    fn new(hpa: &Hpa, settings: &Settings) -> Self {
        let mut status = hpa.status.clone();
        if !settings.features.scale_to_zero {
            // Without its gate the condition means nothing, and must not come back with it.
            status
                .conditions
                .retain(|condition| condition.kind != ScaledToZero);
        }
        Self {
            hpa_status: hpa.status.clone(),
            status,
            current: hpa.status.current_replicas,
            desired: 0,
            wants_write: false,
            min_replicas: hpa.min_replicas(),
            scale_to_zero: settings.features.scale_to_zero,
            reads_without_pods: hpa.has_object_or_external_metrics(),
            behavior: hpa.behavior.clone(),
            target: hpa.target.clone(),
            rescale_reason: String::new(),
            results: Vec::new(),
            events: Vec::new(),
            error: None,
            concluded: false,
        }
    }

    fn warn(&mut self, reason: &str, message: impl Into<String>) {
        let (reason, message) = (reason.to_owned(), message.into());
        self.events.push(Event {
            warning: true,
            reason,
            message,
        });
    }

    fn fail_to_get_scale(&mut self, error: &str, now: Moment) {
        self.warn("FailedGetScale", error);
        let message =
            format!("the HPA controller was unable to get the target's current scale: {error}");
        self.status
            .set_condition(AbleToScale, false, "FailedGetScale", message, now);
        let (target, error) = (self.target.clone(), error.to_owned());
        self.error = Some(PassError::GetScale { target, error });
        self.concluded = true;
    }

    /// Outside of the bounds the bound is the decision; at zero, only what this autoscaler itself
    /// scaled to zero is looked at; else the metrics decide.
    fn decide(
        &mut self,
        hpa: &Hpa,
        settings: &Settings,
        scale: &Scale,
        observation: &Observation<'_>,
        history: &mut History,
        now: Moment,
    ) {
        let scaled_to_zero = self.scale_to_zero && self.status.is_true(ScaledToZero);
        let may_leave_zero = scaled_to_zero && (self.min_replicas != 0 || self.reads_without_pods);
        if self.current == 0 && !may_leave_zero {
            self.status.current_metrics.clear();
            let message = "scaling is disabled since the replica count of the target is zero";
            self.status
                .set_condition(ScalingActive, false, "ScalingDisabled", message, now);
        } else if self.current > hpa.max_replicas {
            self.go_to(
                hpa.max_replicas,
                "Current number of replicas above Spec.MaxReplicas",
            );
        } else if self.current < self.min_replicas && self.current != 0 {
            self.go_to(
                self.min_replicas,
                "Current number of replicas below Spec.MinReplicas",
            );
        } else if let Some((proposed, words)) = self.compute(hpa, settings, scale, observation, now)
        {
            let desired = proposed.max(0);
            self.rescale_reason = match desired.cmp(&self.current) {
                std::cmp::Ordering::Greater => format!("{words} above target"),
                std::cmp::Ordering::Less => "All metrics below target".to_owned(),
                std::cmp::Ordering::Equal => String::new(),
            };
            let (min, max) = (self.min_replicas, hpa.max_replicas);
            let step = Step {
                current: self.current,
                desired,
                min,
                max,
            };
            let behavior = hpa.behavior.as_ref();
            let mut desired = normalize(step, behavior, settings, history, &mut self.status, now);
            if self.current == 0 && desired < min {
                // The minimum was raised while the target was at zero. Only `behavior` gets here:
                // its way up has no lower bound.
                desired = min;
                if self.rescale_reason.is_empty() {
                    self.rescale_reason =
                        "Current number of replicas below Spec.MinReplicas".to_owned();
                }
            }
            self.desired = desired;
            self.wants_write = desired != self.current;
        }
    }

    fn go_to(&mut self, replicas: i32, reason: &str) {
        self.status.current_metrics.clear();
        reason.clone_into(&mut self.rescale_reason);
        self.desired = replicas;
        self.wants_write = true;
    }

    /// The largest valid proposal, or `None` when nothing may be decided.
    fn compute(
        &mut self,
        hpa: &Hpa,
        settings: &Settings,
        scale: &Scale,
        observation: &Observation<'_>,
        now: Moment,
    ) -> Option<(i32, String)> {
        let pods = match self.select_pods(hpa, scale, observation, now) {
            Ok(pods) => pods,
            Err(error) => {
                self.status.current_metrics.clear();
                self.fail_to_compute(error);
                return None;
            }
        };
        let tolerance = settings.tolerance_for(hpa.behavior.as_ref());
        let calculator = Calculator {
            settings,
            tolerance,
            pods: &pods,
            now,
        };
        let replicas = ScaleReplicas {
            spec: scale.spec_replicas,
            status: scale.status_replicas,
        };
        let computed = compute(hpa, replicas, &calculator, observation.answers);
        self.status.current_metrics = computed.statuses;
        self.results = computed.results;
        for failure in &computed.failures {
            self.warn(failure.reason, failure.message.clone());
        }
        let (proposed, words) = computed.winner.clone().unwrap_or_default();
        let Some(first) = computed.failures.first() else {
            return Some(self.accept(proposed, words, now));
        };
        let error = format!(
            "invalid metrics ({} invalid out of {}), first error is: {}",
            computed.failures.len(),
            hpa.metrics.len(),
            first.error
        );
        // A metric that cannot be read might ask for more: scaling down is not safe.
        if computed.winner.is_none() || proposed < scale.spec_replicas {
            let message = format!(
                "the HPA was unable to compute the replica count: {}",
                first.message
            );
            self.status
                .set_condition(ScalingActive, false, first.reason, message, now);
            self.fail_to_compute(error);
            return None;
        }
        self.error = Some(PassError::SomeMetrics(error));
        Some(self.accept(proposed, words, now))
    }

    fn accept(&mut self, proposed: i32, words: String, now: Moment) -> (i32, String) {
        let message =
            format!("the HPA was able to successfully calculate a replica count from {words}");
        self.status
            .set_condition(ScalingActive, true, "ValidMetricFound", message, now);
        (proposed, words)
    }

    fn fail_to_compute(&mut self, error: String) {
        self.warn("FailedComputeMetricsReplicas", error.clone());
        self.status.current_replicas = self.current;
        self.error = Some(PassError::Compute {
            target: self.target.clone(),
            error,
        });
        self.concluded = true;
    }

    /// The target's pods, which must be nobody else's.
    fn select_pods<'a>(
        &mut self,
        hpa: &Hpa,
        scale: &Scale,
        observation: &Observation<'a>,
        now: Moment,
    ) -> Result<Vec<&'a Pod>, String> {
        if scale.selector.is_empty() {
            self.warn("SelectorRequired", "selector is required");
            let message = "the HPA target's scale is missing a selector";
            self.status
                .set_condition(ScalingActive, false, "InvalidSelector", message, now);
            return Err("selector is required".to_owned());
        }
        let selector: Selector = match scale.selector.parse() {
            Ok(selector) => selector,
            Err(error) => {
                let message = format!(
                    "couldn't convert selector into a corresponding internal selector object: {error}"
                );
                self.warn("InvalidSelector", message.clone());
                self.status.set_condition(
                    ScalingActive,
                    false,
                    "InvalidSelector",
                    message.as_str(),
                    now,
                );
                return Err(message);
            }
        };
        let pods: Vec<&Pod> = observation
            .pods
            .iter()
            .filter(|pod| selector.matches(&pod.labels))
            .collect();
        let rivals = observation.other_hpas.iter().filter(|other| {
            let itself = other.name == hpa.name;
            let picks = |selector: Selector| pods.iter().any(|pod| selector.matches(&pod.labels));
            other.namespace == hpa.namespace && !itself && other.selector.parse().is_ok_and(picks)
        });
        let rivals: Vec<String> = rivals
            .map(|other| format!("{}/{}", other.namespace, other.name))
            .collect();
        if rivals.is_empty() {
            return Ok(pods);
        }
        let message = format!(
            "pods by selector {} are controlled by multiple HPAs: [{}/{} {}]",
            scale.selector,
            hpa.namespace,
            hpa.name,
            rivals.join(" ")
        );
        self.warn("AmbiguousSelector", message.clone());
        self.status.set_condition(
            ScalingActive,
            false,
            "AmbiguousSelector",
            message.as_str(),
            now,
        );
        Err(message)
    }
}
