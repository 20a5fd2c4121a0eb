//! What the HPA says about its decisions: Events and the status of its objects, put into entries.

use std::collections::BTreeMap;
use std::time::SystemTime;

use anyhow::Result;
use comparison::record::DecisionEntry;
use futures::{Stream, StreamExt, TryStreamExt, future, stream};
use k8s_openapi::api::autoscaling::v2::{
    HorizontalPodAutoscaler, HorizontalPodAutoscalerCondition, MetricSpec, MetricStatus,
};
use k8s_openapi::api::core::v1::Event;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, watcher};
use kube::{Api, Client};
use tokio::sync::mpsc;

/// Notices that may wait to be looked at; when full, the watch waits, and the API server keeps the
/// rest.
const QUEUE: usize = 1024;

/// How much later than an Event the status that belongs to it may come, in seconds.
const SAME_PASS_SECONDS: f64 = 2.0;

/// Something that the HPA controller made known.
#[derive(Debug, Clone)]
pub(in crate::compare) struct Notice {
    /// When it arrived.
    pub(in crate::compare) at: SystemTime,
    /// What it is.
    pub(in crate::compare) what: What,
}

/// What the HPA controller made known.
#[derive(Debug, Clone)]
pub(in crate::compare) enum What {
    /// An Event about the HPA object of this name.
    Event {
        /// Name of the HPA object.
        hpa: String,
        /// One word.
        reason: String,
        /// One sentence.
        message: String,
    },
    /// An HPA object with its new status.
    Object(Box<HorizontalPodAutoscaler>),
}

/// Announces what happens to the HPA objects of `namespace`, until the receiver is dropped.
pub(in crate::compare) fn announce(
    client: Client,
    namespace: &str,
) -> mpsc::Receiver<Result<Notice>> {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let notices = notices(client, namespace);
    tokio::spawn(async move {
        let mut notices = std::pin::pin!(notices);
        while let Some(notice) = notices.next().await {
            if sender.send(notice).await.is_err() {
                return;
            }
        }
    });
    receiver
}

fn notices(client: Client, namespace: &str) -> impl Stream<Item = Result<Notice>> + use<> {
    let objects: Api<HorizontalPodAutoscaler> = Api::namespaced(client.clone(), namespace);
    let objects = watcher(objects, watcher::Config::default())
        .default_backoff()
        .applied_objects()
        .map_ok(|object| What::Object(Box::new(object)));
    let events: Api<Event> = Api::namespaced(client, namespace);
    let about_hpas =
        watcher::Config::default().fields("involvedObject.kind=HorizontalPodAutoscaler");
    let events = watcher(events, about_hpas)
        .default_backoff()
        .try_filter_map(|event| {
            future::ready(Ok(match event {
                watcher::Event::Apply(event) => said(event),
                // What is listed first happened before.
                _ => None,
            }))
        });
    stream::select(objects, events).map(|what| {
        Ok(Notice {
            at: SystemTime::now(),
            what: what?,
        })
    })
}

fn said(event: Event) -> Option<What> {
    let about = event.involved_object;
    // Not every API server knows that field selector.
    (about.kind.as_deref() == Some("HorizontalPodAutoscaler")).then(|| What::Event {
        hpa: about.name.unwrap_or_default(),
        reason: event.reason.unwrap_or_default(),
        message: event.message.unwrap_or_default(),
    })
}

/// The decisions in `notices`, in order of time: every rescaling and every warning, and every change of mind
/// that a condition shows. `seconds` turns a moment into seconds since the trial's begin.
pub(in crate::compare) fn decisions(
    notices: &[Notice],
    seconds: impl Fn(SystemTime) -> f64,
) -> Vec<DecisionEntry> {
    let mut known: BTreeMap<&str, Known> = BTreeMap::new();
    let mut entries = Vec::new();
    for (index, notice) in notices.iter().enumerate() {
        let at = seconds(notice.at);
        match &notice.what {
            What::Object(object) => {
                let Some(name) = object.metadata.name.as_deref() else {
                    continue;
                };
                let known = known.entry(name).or_default();
                entries.extend(known.update(object, at));
            }
            What::Event {
                hpa,
                reason,
                message,
            } => {
                let Some(known) = known.get_mut(hpa.as_str()) else {
                    continue;
                };
                let from = known.replicas;
                if let Some(size) = new_size(message) {
                    known.replicas = size;
                }
                let values = notices[index..]
                    .iter()
                    .take_while(|later| seconds(later.at) - at < SAME_PASS_SECONDS)
                    .find_map(|later| match &later.what {
                        What::Object(object) if object.metadata.name.as_deref() == Some(hpa) => {
                            Some(values(object))
                        }
                        _ => None,
                    });
                entries.push(DecisionEntry {
                    at,
                    deployment: known.deployment.clone(),
                    from,
                    to: known.replicas,
                    reason: reason.clone(),
                    message: match values {
                        Some(values) if !values.is_empty() => format!("{message} ({values})"),
                        _ => message.clone(),
                    },
                });
            }
        }
    }
    entries
}

/// What is known of an HPA object.
#[derive(Debug, Default)]
struct Known {
    deployment: String,
    replicas: u32,
    /// Reason of each condition, by its type.
    conditions: BTreeMap<String, String>,
}

impl Known {
    /// Takes a new state in; an entry for every condition whose reason has changed since the last.
    fn update(&mut self, object: &HorizontalPodAutoscaler, at: f64) -> Vec<DecisionEntry> {
        let first = self.deployment.is_empty();
        self.deployment = object.spec.scale_target_ref.name.clone();
        let status = object.status.as_ref();
        if first {
            let current = status
                .and_then(|status| status.current_replicas)
                .unwrap_or(1);
            self.replicas = u32::try_from(current).unwrap_or(0);
        }
        let conditions: &[HorizontalPodAutoscalerCondition] = status
            .and_then(|status| status.conditions.as_deref())
            .unwrap_or_default();
        let mut entries = Vec::new();
        for condition in conditions {
            let reason = condition.reason.clone().unwrap_or_default();
            let before = self
                .conditions
                .insert(condition.type_.clone(), reason.clone());
            // A rescaling has its own Event.
            let told = before.is_none() || before.as_ref() == Some(&reason);
            if !told && reason != "SucceededRescale" {
                entries.push(DecisionEntry {
                    at,
                    deployment: self.deployment.clone(),
                    from: self.replicas,
                    to: self.replicas,
                    reason,
                    message: condition.message.clone().unwrap_or_default(),
                });
            }
        }
        entries
    }
}

/// The number in `New size: 4; reason: ...`.
fn new_size(message: &str) -> Option<u32> {
    let (size, _) = message.strip_prefix("New size: ")?.split_once(';')?;
    size.trim().parse().ok()
}

/// Such as `cpu 181 % of 50 %, memory 20 % of 50 %`.
fn values(object: &HorizontalPodAutoscaler) -> String {
    let current = object
        .status
        .as_ref()
        .and_then(|status| status.current_metrics.as_deref())
        .unwrap_or_default();
    let specs = object.spec.metrics.as_deref().unwrap_or_default();
    let texts: Vec<_> = current
        .iter()
        .filter_map(|metric| value(metric, specs))
        .collect();
    texts.join(", ")
}

fn value(metric: &MetricStatus, specs: &[MetricSpec]) -> Option<String> {
    let status = metric.resource.as_ref()?;
    let utilisation = status.current.average_utilization?;
    let target = specs
        .iter()
        .filter_map(|spec| spec.resource.as_ref())
        .find(|spec| spec.name == status.name)
        .and_then(|spec| spec.target.average_utilization);
    Some(match target {
        Some(target) => format!("{} {utilisation} % of {target} %", status.name),
        None => format!("{} {utilisation} %", status.name),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn at(seconds: f64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs_f64(1000.0 + seconds)
    }

    fn seconds(at: SystemTime) -> f64 {
        let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        since.as_secs_f64() - 1000.0
    }

    fn object(when: f64, cpu: u32, able: &str) -> Notice {
        let object = serde_json::from_value(json!({
            "metadata": {"name": "hpa-cart"},
            "spec": {
                "scaleTargetRef": {"kind": "Deployment", "name": "cart"}, "maxReplicas": 20,
                "metrics": [{"type": "Resource", "resource": {"name": "cpu",
                    "target": {"type": "Utilization", "averageUtilization": 50}}}],
            },
            "status": {
                "currentReplicas": 1, "desiredReplicas": 1,
                "currentMetrics": [{"type": "Resource", "resource": {"name": "cpu",
                    "current": {"averageUtilization": cpu}}}],
                "conditions": [{"type": "AbleToScale", "status": "True", "reason": able, "message": "so it is"}],
            },
        }))
        .unwrap();
        Notice {
            at: at(when),
            what: What::Object(Box::new(object)),
        }
    }

    fn event(when: f64, reason: &str, message: &str) -> Notice {
        let what = What::Event {
            hpa: "hpa-cart".into(),
            reason: reason.into(),
            message: message.into(),
        };
        Notice { at: at(when), what }
    }

    #[test]
    fn a_rescaling_has_its_numbers_and_is_told_once() {
        let above =
            "New size: 4; reason: cpu resource utilization (percentage of request) above target";
        let notices = [
            object(-3.0, 10, "ReadyForNewScale"),
            event(20.0, "SuccessfulRescale", above),
            object(20.1, 181, "SucceededRescale"),
            object(35.0, 60, "ReadyForNewScale"),
        ];
        let told: Vec<_> = decisions(&notices, seconds)
            .into_iter()
            .map(|d| (d.at, d.deployment, d.from, d.to, d.reason, d.message))
            .collect();
        let cart = || "cart".to_owned();
        let expected = [
            (
                20.0,
                cart(),
                1,
                4,
                "SuccessfulRescale".to_owned(),
                format!("{above} (cpu 181 % of 50 %)"),
            ),
            (
                35.0,
                cart(),
                4,
                4,
                "ReadyForNewScale".to_owned(),
                "so it is".to_owned(),
            ),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_warning_moves_nothing() {
        let notices = [
            object(0.0, 10, "ReadyForNewScale"),
            event(5.0, "FailedGetResourceMetric", "no metrics"),
        ];
        let decisions = decisions(&notices, seconds);
        assert_eq!((decisions[0].from, decisions[0].to), (1, 1));
        assert!(decisions[0].message.starts_with("no metrics"));
    }
}
