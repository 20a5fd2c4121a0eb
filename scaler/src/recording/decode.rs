//! From the bytes of blocks back to entries. Pure, but for what it remembers.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use scaler_core::policy::{self, Origin};
use scaler_core::{Circumstances, ContainerObservation, PodUid, Rival, ScalingPolicy};
use viperscale_proto::v1 as wire;
use wire::recorded_entry::Entry as Kind;

use super::entry::{Entry, RecordedDecision, RecordedPod, Start};
use super::wire_core::{
    container_from_wire, node_from_wire, phase_from_wire, rival_kind_from_wire, timestamp,
};
use crate::workloads::DeploymentKey;

/// Reads blocks in order.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    names: Vec<Arc<str>>,
    pods: HashMap<DeploymentKey, Arc<[RecordedPod]>>,
}

/// What is wrong with an entry.
type Malformed = String;

impl Decoder {
    /// The entries of one block.
    ///
    /// # Errors
    /// The first thing that makes no sense, with the entries before it.
    pub(super) fn block(&mut self, mut raw: &[u8]) -> (Vec<Entry>, Option<Malformed>) {
        let mut entries = Vec::new();
        while !raw.is_empty() {
            let entry = wire::RecordedEntry::decode_length_delimited(&mut raw)
                .map_err(|error| error.to_string())
                .and_then(|entry| self.entry(entry));
            match entry {
                Ok(entry) => entries.extend(entry),
                Err(problem) => return (entries, Some(problem)),
            }
        }
        (entries, None)
    }

    /// `None` for what only matters to later entries, and for what a newer scaler adds.
    fn entry(&mut self, entry: wire::RecordedEntry) -> Result<Option<Entry>, Malformed> {
        let Some(kind) = entry.entry else {
            return Ok(None);
        };
        Ok(Some(match kind {
            Kind::Name(name) => {
                self.names.push(name.into());
                return Ok(None);
            }
            Kind::Start(start) => {
                self.names.clear();
                self.pods.clear();
                Entry::Start(Start {
                    scaler_version: start.scaler_version,
                    at: timestamp(start.at_ns),
                    wall_ms: start.wall_ms,
                    retention: Duration::from_nanos(start.retention_ns),
                    begins: start.begins,
                    lost_blocks: start.lost_blocks,
                    session: start.session,
                    number: start.number,
                })
            }
            Kind::Policy(policy) => Entry::Policy {
                target: self.target(policy.target.as_ref())?,
                policy: Box::new(read_policy(policy)?),
            },
            Kind::PolicyGone(target) => Entry::PolicyGone(self.target(Some(&target))?),
            Kind::Node(node) => Entry::Node {
                node: self.name(node.node)?,
                sample: node_from_wire(&node),
            },
            Kind::Container(container) => Entry::Container {
                pod: PodUid::from(&*self.name(container.pod)?),
                container: self.name(container.container)?,
                window: Duration::from_nanos(container.window_ns),
                sample: container_from_wire(container),
            },
            Kind::NodeWindowNs(window) => Entry::NodeWindow(Duration::from_nanos(window)),
            Kind::PrunedAtNs(at) => Entry::Pruned(timestamp(at)),
            Kind::Decision(decision) => Entry::Decision(self.decision(decision)?),
            Kind::Scaled(scaled) => Entry::Scaled {
                target: self.target(scaled.target.as_ref())?,
                at: timestamp(scaled.at_ns),
                from: scaled.from,
                to: scaled.to,
            },
            Kind::Memory(memory) => Entry::Memory {
                target: self.target(memory.target.as_ref())?,
                at: timestamp(memory.at_ns),
                memory: serde_json::from_slice(&memory.memory).ok(),
            },
        }))
    }

    fn decision(
        &mut self,
        decision: wire::RecordedDecision,
    ) -> Result<RecordedDecision, Malformed> {
        let target = self.target(decision.target.as_ref())?;
        let pods = if decision.same_pods {
            let known = self.pods.get(&target);
            known.cloned().ok_or("a decision refers to no pods")?
        } else {
            let pods: Result<Vec<_>, _> = decision.pods.iter().map(|pod| self.pod(pod)).collect();
            let pods: Arc<[RecordedPod]> = pods?.into();
            self.pods.insert(target.clone(), pods.clone());
            pods
        };
        let rivals: Result<Vec<_>, _> = decision.rivals.iter().map(|r| self.rival(r)).collect();
        Ok(RecordedDecision {
            target,
            at: timestamp(decision.at_ns),
            current_replicas: decision.current_replicas,
            pods,
            circumstances: Circumstances {
                rivals: rivals?,
                outdated: decision.outdated,
            },
            decision: String::from_utf8(decision.decision).map_err(|error| error.to_string())?,
        })
    }

    fn pod(&self, pod: &wire::RecordedPod) -> Result<RecordedPod, Malformed> {
        let container = |container: &wire::RecordedLimit| -> Result<_, Malformed> {
            Ok(ContainerObservation {
                name: self.name(container.name)?,
                cpu_limit: container.cpu_limit_cores,
            })
        };
        let node = pod.node.map(|node| self.name(node)).transpose()?;
        Ok(RecordedPod {
            uid: PodUid::from(&*self.name(pod.uid)?),
            name: self.name(pod.name)?,
            node,
            phase: phase_from_wire(pod.phase),
            terminating: pod.terminating,
            ready: pod.ready,
            started_at_ns: pod.started_at_ns,
            outdated: pod.outdated,
            containers: pod
                .containers
                .iter()
                .map(container)
                .collect::<Result<_, Malformed>>()?,
        })
    }

    fn rival(&self, rival: &wire::RecordedRival) -> Result<Rival, Malformed> {
        Ok(Rival {
            kind: rival_kind_from_wire(rival.kind)?,
            namespace: self.name(rival.namespace)?.to_string(),
            name: self.name(rival.name)?.to_string(),
        })
    }

    fn target(&self, target: Option<&wire::RecordedTarget>) -> Result<DeploymentKey, Malformed> {
        let target = target.ok_or("an entry without deployment")?;
        let (namespace, name) = (self.name(target.namespace)?, self.name(target.deployment)?);
        Ok(DeploymentKey::new(&namespace, &name))
    }

    fn name(&self, number: u32) -> Result<Arc<str>, Malformed> {
        let name = self.names.get(number as usize);
        name.cloned()
            .ok_or_else(|| format!("name {number} of {}", self.names.len()))
    }
}

fn read_policy(policy: wire::RecordedPolicy) -> Result<ScalingPolicy, Malformed> {
    let loaded = policy::load(&policy.document, "recorded policy").map_err(|errors| {
        let first = errors.into_iter().next();
        first.map_or_else(String::new, |error| error.to_string())
    })?;
    let loaded = loaded.into_iter().next().ok_or("an empty policy")?;
    let origin = Origin {
        file: policy.file,
        line: (policy.line > 0).then_some(policy.line as usize),
    };
    Ok(ScalingPolicy { origin, ..loaded })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::encode::Encoder;
    use super::*;

    fn block(kinds: Vec<Kind>) -> Vec<u8> {
        let entries = kinds
            .into_iter()
            .map(|kind| wire::RecordedEntry { entry: Some(kind) });
        entries
            .flat_map(|entry| entry.encode_length_delimited_to_vec())
            .collect()
    }

    #[test]
    fn what_refers_to_nothing_is_malformed_and_what_came_before_is_kept() {
        let node = |node| {
            Kind::Node(wire::RecordedNode {
                node,
                ..wire::RecordedNode::default()
            })
        };
        let raw = block(vec![Kind::Name("n1".to_owned()), node(0), node(1), node(0)]);
        let (entries, malformed) = Decoder::default().block(&raw);
        assert_eq!(entries.len(), 1);
        assert_eq!(malformed.as_deref(), Some("name 1 of 1"));
    }

    /// What a newer scaler adds is passed over.
    #[test]
    fn unknown_entries_are_left_out() {
        // A message of five bytes: field 98 (tag 98 << 3 | 2 = 786), holding the two bytes 7 and 7.
        let mut raw = vec![5, 0x92, 0x06, 2, 7, 7];
        raw.extend(block(vec![Kind::PrunedAtNs(5)]));
        let (entries, malformed) = Decoder::default().block(&raw);
        assert_eq!((entries.len(), malformed), (1, None));
    }

    /// Of a file a line, of an object none.
    #[test]
    fn a_policy_keeps_its_origin() {
        let document = r#"{"apiVersion": "viperscale.dev/v1alpha1", "kind": "ScalingPolicy",
            "metadata": {"name": "a", "namespace": "b"},
            "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "c"}, "maxReplicas": 3,
                     "metrics": [{"name": "runqLatency", "threshold": "2ms"}]}}"#;
        let mut policy = policy::load_object(document, "ScalingPolicy b/a").unwrap();
        for line in [None, Some(7)] {
            policy.origin.line = line;
            let mut encoder = Encoder::default();
            encoder.policy(&DeploymentKey::new("b", "c"), &Arc::new(policy.clone()));
            let (entries, malformed) = Decoder::default().block(&encoder.take());
            let [Entry::Policy { policy: read, .. }] = entries.as_slice() else {
                panic!("{entries:?} {malformed:?}");
            };
            assert_eq!(**read, policy);
        }
    }

    proptest! {
        #[test]
        fn garbage_never_panics(raw: Vec<u8>) {
            let _ = Decoder::default().block(&raw);
        }
    }
}
