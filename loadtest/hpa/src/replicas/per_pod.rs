//! Proposals from one sample per pod.

use std::time::Duration;

use super::{Calculator, Proposal, ReplicaError, round_up};
use crate::client::{PodSample, PodSamples};
use crate::grouping::{PodGroups, group_pods};
use crate::ratio;
use crate::requests::calculate_requests;
use crate::status::Reading;
use crate::time::Moment;

impl Calculator<'_> {
    /// Resource or container-resource metric with a target in percent of the request.
    pub fn resource_utilization(
        &self,
        current: i32,
        target_percent: i32,
        resource: &str,
        container: Option<&str>,
        samples: PodSamples,
    ) -> Result<Proposal, ReplicaError> {
        let (mut samples, groups) = self.group(samples, Some(resource))?;
        let gate = self.settings.features.pod_level_resources;
        let requests = calculate_requests(self.pods, resource, container, gate)?;
        let used = ratio::utilization(&samples, &requests, target_percent)?;
        let reading = Reading {
            average_utilization_percent: Some(used.percent),
            average_value_milli: Some(used.average_milli),
            value_milli: None,
        };
        let missing_pods_use = |pod: &str| {
            // As if it used all it asked for, or what it should use where that is more.
            let request = requests.get(pod).copied().unwrap_or(0);
            request.saturating_mul(i64::from(target_percent.max(100))) / 100
        };
        let replicas = if self.refill(&mut samples, &groups, used.ratio, missing_pods_use) {
            let refilled = ratio::utilization(&samples, &requests, target_percent)?;
            self.damped(current, used.ratio, refilled.ratio, samples.len())
        } else {
            self.plain(current, used.ratio, groups.ready)
        };
        Ok(Proposal { replicas, reading })
    }

    /// Resource, container-resource (`resource` given) or Pods metric (`None`) with a target in
    /// thousandths per pod.
    pub fn average_value(
        &self,
        current: i32,
        target_milli: i64,
        resource: Option<&str>,
        samples: PodSamples,
    ) -> Result<Proposal, ReplicaError> {
        let (mut samples, groups) = self.group(samples, resource)?;
        let (ratio, average) = ratio::average(&samples, target_milli);
        let replicas = if self.refill(&mut samples, &groups, ratio, |_| target_milli) {
            let (refilled, _) = ratio::average(&samples, target_milli);
            self.damped(current, ratio, refilled, samples.len())
        } else {
            self.plain(current, ratio, groups.ready)
        };
        let reading = Reading {
            average_value_milli: Some(average),
            ..Reading::default()
        };
        Ok(Proposal { replicas, reading })
    }

    /// Sorts the pods and leaves only samples that count, and those of unknown pods.
    fn group(
        &self,
        mut samples: PodSamples,
        resource: Option<&str>,
    ) -> Result<(PodSamples, PodGroups), ReplicaError> {
        if self.pods.is_empty() {
            return Err(ReplicaError::NoPods);
        }
        let groups = group_pods(self.pods, &samples, resource, self.settings, self.now);
        samples.retain(|name, _| !groups.ignored.contains(name) && !groups.unready.contains(name));
        if samples.is_empty() {
            Err(ReplicaError::NoSamples)
        } else {
            Ok((samples, groups))
        }
    }

    /// No pod is in doubt: the ratio applies to the ready ones.
    fn plain(&self, current: i32, ratio: f64, ready: usize) -> i32 {
        if self.tolerance.allows(ratio) {
            current
        } else {
            round_up(ratio * ready as f64)
        }
    }

    /// Adds guesses for pods in doubt, each against the direction of the change: missing pods are
    /// busy when scaling down and idle when scaling up, unready ones idle when scaling up.
    /// Whether there is such a pod.
    fn refill(
        &self,
        samples: &mut PodSamples,
        groups: &PodGroups,
        ratio: f64,
        missing_pods_use: impl Fn(&str) -> i64,
    ) -> bool {
        let unready_count = !groups.unready.is_empty() && ratio > 1.0;
        let mut guess = |pod: &str, value_milli| {
            let (timestamp, window) = (Moment::default(), Duration::ZERO);
            samples.insert(
                pod.to_owned(),
                PodSample {
                    value_milli,
                    timestamp,
                    window,
                },
            );
        };
        for pod in &groups.missing {
            if ratio < 1.0 {
                guess(pod, missing_pods_use(pod));
            } else if ratio > 1.0 {
                guess(pod, 0);
            }
        }
        if unready_count {
            groups.unready.iter().for_each(|pod| guess(pod, 0));
        }
        unready_count || !groups.missing.is_empty()
    }

    /// The guesses may shrink a change to nothing, but never turn it around.
    fn damped(&self, current: i32, ratio: f64, refilled: f64, samples: usize) -> i32 {
        let turned = (ratio < 1.0 && refilled > 1.0) || (ratio > 1.0 && refilled < 1.0);
        if turned || self.tolerance.allows(refilled) {
            return current;
        }
        let replicas = round_up(refilled * samples as f64);
        let against =
            (refilled < 1.0 && replicas > current) || (refilled > 1.0 && replicas < current);
        if against { current } else { replicas }
    }
}
