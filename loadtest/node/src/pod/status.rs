//! The status of a pod, from what the node knows (pure).

use std::collections::BTreeMap;
use std::net::IpAddr;

use k8s_openapi::api::core::v1::{
    Container, ContainerState, ContainerStateRunning, ContainerStateWaiting, ContainerStatus,
    HostIP, Pod, PodCondition, PodIP, PodStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

use super::view::{ContainerView, State};
use crate::cgroup::Qos;

/// Conditions that the node owns; others in the object are left as they are.
const OWNED: [&str; 5] = [
    "PodReadyToStartContainers",
    "PodScheduled",
    "Initialized",
    "ContainersReady",
    "Ready",
];

/// What the node knows about a pod.
#[derive(Debug, Clone)]
pub(super) struct PodView {
    /// When this node first saw it.
    pub(super) seen_at: Timestamp,
    /// Its address, once it has one.
    pub(super) pod_ip: Option<IpAddr>,
    /// The node's address.
    pub(super) host_ip: IpAddr,
    /// Its class.
    pub(super) qos: Qos,
    /// Init containers, in the order of the spec.
    pub(super) init: Vec<ContainerView>,
    /// Containers, in the order of the spec.
    pub(super) containers: Vec<ContainerView>,
    /// Why the node gave the pod up, whatever its containers do: reason and message.
    pub(super) failed: Option<(&'static str, String)>,
}

impl PodView {
    /// What is known of a pod before anything has been done.
    pub(super) fn first(pod: &Pod, host_ip: IpAddr, seen_at: Timestamp) -> Self {
        let spec = pod.spec.clone().unwrap_or_default();
        let qos = Qos::of(&spec).unwrap_or(Qos::BestEffort);
        let earlier = earlier_statuses(pod);
        let init = spec.init_containers.unwrap_or_default();
        let waits = if init.is_empty() {
            "ContainerCreating"
        } else {
            "PodInitializing"
        };
        let views = |containers: &[Container]| -> Vec<ContainerView> {
            let earlier = |container: &Container| earlier.get(container.name.as_str()).copied();
            containers
                .iter()
                .map(|one| ContainerView::new(waits, earlier(one)))
                .collect()
        };
        Self {
            seen_at,
            pod_ip: None,
            host_ip,
            qos,
            init: views(&init),
            containers: views(&spec.containers),
            failed: None,
        }
    }
}

impl PodView {
    /// Whether every init container has done its part: a plain one ended well, a sidecar started.
    fn initialized(&self) -> bool {
        self.init
            .iter()
            .all(|view| view.exit_code() == Some(0) || view.started)
    }

    fn phase(&self) -> &'static str {
        if self.failed.is_some() {
            return "Failed";
        }
        if self
            .init
            .iter()
            .any(|view| view.exit_code().is_some_and(|code| code != 0))
        {
            return "Failed";
        }
        let ends: Option<Vec<i32>> = self
            .containers
            .iter()
            .map(ContainerView::exit_code)
            .collect();
        match ends {
            Some(codes) if codes.iter().all(|code| *code == 0) => "Succeeded",
            Some(_) => "Failed",
            // Running from the moment that every container has been started once.
            None if self
                .containers
                .iter()
                .all(|view| view.container_id.is_some()) =>
            {
                "Running"
            }
            None => "Pending",
        }
    }
}

/// Computes the status. `pod` is the latest object: its conditions keep their transition times where
/// nothing changed, and those of others are carried along.
pub(super) fn pod_status(pod: &Pod, view: &PodView, now: Timestamp) -> PodStatus {
    let spec = pod.spec.as_ref();
    let old = pod.status.as_ref();
    let phase = view.phase();
    let containers: &[Container] = spec.map_or(&[], |spec| &spec.containers);
    let init = spec
        .and_then(|spec| spec.init_containers.as_deref())
        .unwrap_or_default();
    PodStatus {
        phase: Some(phase.to_owned()),
        reason: view.failed.as_ref().map(|(reason, _)| (*reason).to_owned()),
        message: view.failed.as_ref().map(|(_, message)| message.clone()),
        conditions: Some(conditions(pod, view, phase, now)),
        container_statuses: Some(container_statuses(containers, &view.containers)),
        init_container_statuses: (!init.is_empty()).then(|| container_statuses(init, &view.init)),
        host_ip: Some(view.host_ip.to_string()),
        host_ips: Some(vec![HostIP {
            ip: view.host_ip.to_string(),
        }]),
        pod_ip: view.pod_ip.map(|ip| ip.to_string()),
        pod_ips: view.pod_ip.map(|ip| vec![PodIP { ip: ip.to_string() }]),
        qos_class: Some(view.qos.as_str().to_owned()),
        start_time: old
            .and_then(|old| old.start_time.clone())
            .or(Some(Time(view.seen_at))),
        ..PodStatus::default()
    }
}

fn conditions(pod: &Pod, view: &PodView, phase: &str, now: Timestamp) -> Vec<PodCondition> {
    let old = pod
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_deref());
    let old = old.unwrap_or_default();
    let over = matches!(phase, "Succeeded" | "Failed");
    let unready: Vec<&str> = pod
        .spec
        .iter()
        .flat_map(|spec| &spec.containers)
        .zip(&view.containers)
        .filter(|(_, view)| !view.ready)
        .map(|(container, _)| container.name.as_str())
        .collect();
    let containers_ready = if over {
        Err(if phase == "Succeeded" {
            "PodCompleted"
        } else {
            "PodFailed"
        })
    } else if unready.is_empty() {
        Ok(())
    } else {
        Err("ContainersNotReady")
    };
    let message = (!unready.is_empty() && !over)
        .then(|| format!("containers with unready status: [{}]", unready.join(" ")));
    let gates_open = pod
        .spec
        .iter()
        .flat_map(|spec| spec.readiness_gates.iter().flatten())
        .all(|gate| {
            old.iter()
                .any(|c| c.type_ == gate.condition_type && c.status == "True")
        });
    let ready = match containers_ready {
        Ok(()) if !gates_open => Err("ReadinessGatesNotReady"),
        other => other,
    };
    let initialized = if view.initialized() || phase == "Succeeded" {
        Ok(())
    } else {
        Err("ContainersNotInitialized")
    };

    // It has an address and cgroups, which it keeps until it is over. The kubelet gives no reason.
    let set_up = if view.pod_ip.is_some() && !over {
        Ok(())
    } else {
        Err("")
    };

    let mut all: Vec<PodCondition> = old
        .iter()
        .filter(|c| !OWNED.contains(&c.type_.as_str()))
        .cloned()
        .collect();
    for (type_, state, message) in [
        ("PodReadyToStartContainers", set_up, None),
        ("PodScheduled", Ok(()), None),
        ("Initialized", initialized, None),
        ("ContainersReady", containers_ready, message.clone()),
        ("Ready", ready, message),
    ] {
        let status = if state.is_ok() { "True" } else { "False" };
        let since = old
            .iter()
            .find(|condition| condition.type_ == type_ && condition.status == status)
            .and_then(|condition| condition.last_transition_time.clone());
        all.push(PodCondition {
            type_: type_.to_owned(),
            status: status.to_owned(),
            reason: state
                .err()
                .filter(|reason| !reason.is_empty())
                .map(str::to_owned),
            message,
            last_transition_time: Some(since.unwrap_or(Time(now))),
            ..PodCondition::default()
        });
    }
    all
}

fn container_statuses(containers: &[Container], views: &[ContainerView]) -> Vec<ContainerStatus> {
    containers
        .iter()
        .zip(views)
        .map(|(container, view)| container_status(container, view))
        .collect()
}

fn container_status(container: &Container, view: &ContainerView) -> ContainerStatus {
    let image = container.image.clone().unwrap_or_default();
    let mut state = ContainerState::default();
    match &view.state {
        State::Waiting { reason, message } => {
            state.waiting = Some(ContainerStateWaiting {
                reason: Some((*reason).to_owned()),
                message: message.clone(),
            });
        }
        State::Running { started_at } => {
            state.running = Some(ContainerStateRunning {
                started_at: Some(Time(*started_at)),
            });
        }
        State::Terminated(end) => state.terminated = Some((**end).clone()),
    }
    let last_state = view.last.as_ref().map(|end| ContainerState {
        terminated: Some((**end).clone()),
        ..ContainerState::default()
    });
    ContainerStatus {
        name: container.name.clone(),
        // Nothing was pulled: the image is what the spec says, for people to read.
        image_id: String::new(),
        image,
        container_id: view.container_id.clone(),
        ready: view.ready,
        started: Some(view.started && view.running()),
        restart_count: view.restart_count,
        state: Some(state),
        last_state,
        ..ContainerStatus::default()
    }
}

/// The earlier statuses of a pod's containers, by name: for restart counts across node restarts.
fn earlier_statuses(pod: &Pod) -> BTreeMap<&str, &ContainerStatus> {
    let status = pod.status.iter();
    status
        .flat_map(|status| {
            let init = status.init_container_statuses.iter().flatten();
            init.chain(status.container_statuses.iter().flatten())
        })
        .map(|status| (status.name.as_str(), status))
        .collect()
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
