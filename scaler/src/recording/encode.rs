//! From what the controller sees to the bytes of blocks. Pure, but for what it remembers.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use scaler_core::{
    Circumstances, ContainerSample, Decision, Memory, NodeSample, Observation, ScalingPolicy,
    Timestamp,
};
use viperscale_proto::v1 as wire;
use wire::recorded_entry::Entry as Kind;

use super::entry::{RecordedPod, Start};
use super::wire_core::{
    at_ns, metrics_to_wire, node_to_wire, ns, phase_to_wire, rival_kind_to_wire, scheduling_to_wire,
};
use crate::workloads::DeploymentKey;

/// Names since the last start; beyond, a new start is due, which forgets them. A cluster of
/// Kubernetes' largest size has some 160,000 at a time.
pub(super) const MAX_NAMES: usize = 1_000_000;

/// Turns what happens into entries. Names and pods are written once and referred to afterwards,
/// until the next start.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    buffer: Vec<u8>,
    names: HashMap<Box<str>, u32>,
    /// What was last recorded of each deployment's pods.
    pods: HashMap<DeploymentKey, Vec<RecordedPod>>,
    /// For how long samples of nodes are kept, to be repeated too; `None` before it was said.
    node_window: Option<Duration>,
    /// What is in force, to be repeated after each start.
    policies: BTreeMap<DeploymentKey, Arc<ScalingPolicy>>,
}

impl Encoder {
    /// Bytes of the block so far.
    pub(super) fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Whether it is time for a new start.
    pub(super) fn is_full(&self) -> bool {
        self.names.len() >= MAX_NAMES
    }

    /// The block; the next one begins empty, and refers to what this one names.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer)
    }

    /// Begins anew: what follows refers to nothing before. The block must be empty.
    pub(super) fn start(&mut self, start: &Start) {
        self.names.clear();
        self.pods.clear();
        self.put(Kind::Start(wire::RecordingStart {
            scaler_version: start.scaler_version.clone(),
            at_ns: at_ns(start.at),
            wall_ms: start.wall_ms,
            retention_ns: ns(start.retention),
            begins: start.begins,
            lost_blocks: start.lost_blocks,
            session: start.session,
            number: start.number,
        }));
        if let Some(window) = self.node_window {
            self.put(Kind::NodeWindowNs(ns(window)));
        }
        for (target, policy) in self.policies.clone() {
            self.write_policy(&target, &policy);
        }
    }

    /// What was in force is not any more: whoever records begins anew.
    pub(super) fn forget(&mut self) {
        self.policies.clear();
        self.node_window = None;
    }

    pub(super) fn node_window(&mut self, window: Duration) {
        if self.node_window.replace(window) != Some(window) {
            self.put(Kind::NodeWindowNs(ns(window)));
        }
    }

    pub(super) fn policy(&mut self, target: &DeploymentKey, policy: &Arc<ScalingPolicy>) {
        let known = self.policies.insert(target.clone(), policy.clone());
        if known.as_ref() != Some(policy) {
            self.write_policy(target, policy);
        }
    }

    pub(super) fn policy_gone(&mut self, target: &DeploymentKey) {
        self.policies.remove(target);
        self.pods.remove(target);
        let target = self.target(target);
        self.put(Kind::PolicyGone(target));
    }

    pub(super) fn node(&mut self, node: &str, sample: &NodeSample) {
        let node = self.name(node);
        self.put(Kind::Node(wire::RecordedNode {
            node,
            received_at_ns: at_ns(sample.received_at),
            interval_ns: ns(sample.interval),
            sample: Some(node_to_wire(sample)),
            scheduler_seen: sample.scheduler_seen,
        }));
    }

    pub(super) fn container(
        &mut self,
        pod: &str,
        container: &str,
        window: Duration,
        sample: &ContainerSample,
    ) {
        let (pod, container) = (self.name(pod), self.name(container));
        self.put(Kind::Container(wire::RecordedContainer {
            pod,
            container,
            received_at_ns: at_ns(sample.received_at),
            interval_ns: ns(sample.interval),
            metrics: metrics_to_wire(sample),
            scheduling: sample.scheduling.as_ref().map(scheduling_to_wire),
            window_ns: ns(window),
        }));
    }

    pub(super) fn pruned(&mut self, at: Timestamp) {
        self.put(Kind::PrunedAtNs(at_ns(at)));
    }

    pub(super) fn decision(
        &mut self,
        target: &DeploymentKey,
        at: Timestamp,
        observation: &Observation<'_>,
        decision: &Decision,
    ) {
        let pods: Vec<RecordedPod> = observation
            .pods
            .iter()
            .map(|pod| RecordedPod::of(pod, at))
            .collect();
        let same_pods = self.pods.get(target) == Some(&pods);
        let written = match same_pods {
            true => Vec::new(),
            false => pods.iter().map(|pod| self.pod(pod)).collect(),
        };
        if !same_pods {
            self.pods.insert(target.clone(), pods);
        }
        let target = self.target(target);
        // Named in full, so that the compiler finds the next circumstance.
        let Circumstances { rivals, outdated } = observation.circumstances.clone();
        let rivals = rivals
            .iter()
            .map(|rival| wire::RecordedRival {
                kind: rival_kind_to_wire(rival.kind),
                namespace: self.name(&rival.namespace),
                name: self.name(&rival.name),
            })
            .collect();
        self.put(Kind::Decision(wire::RecordedDecision {
            target: Some(target),
            at_ns: at_ns(at),
            current_replicas: observation.current_replicas,
            same_pods,
            pods: written,
            decision: json(decision),
            rivals,
            outdated,
        }));
    }

    pub(super) fn scaled(&mut self, target: &DeploymentKey, from: u32, to: u32, at: Timestamp) {
        let target = self.target(target);
        self.put(Kind::Scaled(wire::RecordedScaling {
            target: Some(target),
            at_ns: at_ns(at),
            from,
            to,
        }));
    }

    pub(super) fn memory(&mut self, target: &DeploymentKey, at: Timestamp, memory: &Memory) {
        let target = self.target(target);
        self.put(Kind::Memory(wire::RecordedMemory {
            target: Some(target),
            at_ns: at_ns(at),
            memory: json(memory),
        }));
    }

    fn write_policy(&mut self, target: &DeploymentKey, policy: &ScalingPolicy) {
        let line = policy.origin.line;
        let target = self.target(target);
        self.put(Kind::Policy(wire::RecordedPolicy {
            target: Some(target),
            document: String::from_utf8(json(policy)).unwrap_or_default(),
            file: policy.origin.file.clone(),
            line: line.map_or(0, |line| u32::try_from(line).unwrap_or(u32::MAX)),
        }));
    }

    fn pod(&mut self, pod: &RecordedPod) -> wire::RecordedPod {
        let containers = pod.containers.iter();
        wire::RecordedPod {
            uid: self.name(pod.uid.as_str()),
            name: self.name(&pod.name),
            node: pod.node.as_deref().map(|node| self.name(node)),
            phase: phase_to_wire(pod.phase),
            terminating: pod.terminating,
            ready: pod.ready,
            started_at_ns: pod.started_at_ns,
            outdated: pod.outdated,
            containers: containers
                .map(|container| wire::RecordedLimit {
                    name: self.name(&container.name),
                    cpu_limit_cores: container.cpu_limit,
                })
                .collect(),
        }
    }

    fn target(&mut self, target: &DeploymentKey) -> wire::RecordedTarget {
        wire::RecordedTarget {
            namespace: self.name(&target.namespace),
            deployment: self.name(&target.name),
        }
    }

    /// The number of `name`; writes it first when it is new.
    fn name(&mut self, name: &str) -> u32 {
        if let Some(number) = self.names.get(name) {
            return *number;
        }
        let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.insert(name.into(), number);
        self.put(Kind::Name(name.to_owned()));
        number
    }

    fn put(&mut self, kind: Kind) {
        let entry = wire::RecordedEntry { entry: Some(kind) };
        entry
            .encode_length_delimited(&mut self.buffer)
            .expect("a Vec has room for every message");
    }
}

/// What these values hold serialises: text keys, and numbers of which those that are not finite
/// become null.
fn json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}
