//! What each pod requests of a resource.

use std::collections::BTreeMap;

use crate::pod::Pod;

/// A pod does not request what its metric is a percentage of. One such pod fails the metric.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// A container names no request.
    #[error("missing request for {resource} in container {container} of Pod {pod}")]
    Container {
        /// The resource.
        resource: String,
        /// The container.
        container: String,
        /// The pod.
        pod: String,
    },
    /// The pod has requests of its own, but none for this resource, and neither have its containers.
    #[error("missing pod-level request for {resource} in Pod {pod}")]
    PodLevel {
        /// The resource.
        resource: String,
        /// The pod.
        pod: String,
    },
    /// The wanted container is not there.
    #[error("container {container} not found in Pod {pod}")]
    NoContainer {
        /// The container.
        container: String,
        /// The pod.
        pod: String,
    },
}

/// Thousandths requested of `resource` by pod name.
///
/// Of `container` alone when one is wanted; else of the pod itself where it has requests of its own
/// and the gate is on; else of all containers and sidecars.
pub fn calculate_requests(
    pods: &[&Pod],
    resource: &str,
    container: Option<&str>,
    pod_level_resources: bool,
) -> Result<BTreeMap<String, i64>, RequestError> {
    pods.iter()
        .map(|pod| {
            let pod_level = container.is_none() && pod_level_resources && has_pod_level(pod);
            let request = if pod_level {
                pod_level_request(pod, resource)
            } else {
                container_requests(pod, resource, container)
            };
            request.map(|request| (pod.name.clone(), request))
        })
        .collect()
}

/// Requests of the pod's own for a resource that may have one.
fn has_pod_level(pod: &Pod) -> bool {
    let supported =
        |name: &String| matches!(name.as_str(), "cpu" | "memory") || name.starts_with("hugepages-");
    pod.pod_level_requests
        .iter()
        .flatten()
        .any(|(name, _)| supported(name))
}

/// The pod's own request; for a resource it does not name, what its containers need together.
fn pod_level_request(pod: &Pod, resource: &str) -> Result<i64, RequestError> {
    let own = pod
        .pod_level_requests
        .as_ref()
        .and_then(|requests| requests.get(resource));
    own.copied()
        .or_else(|| aggregate(pod, resource))
        .ok_or_else(|| RequestError::PodLevel {
            resource: resource.to_owned(),
            pod: pod.name.clone(),
        })
}

/// What the scheduler reserves for the containers: the running ones together, or the most that
/// starting up takes (an init container beside the sidecars started before it).
fn aggregate(pod: &Pod, resource: &str) -> Option<i64> {
    let add = |sum: Option<i64>, request: Option<i64>| match (sum, request) {
        (Some(sum), Some(request)) => Some(sum.saturating_add(request)),
        (sum, request) => sum.or(request),
    };
    let request = |container: &crate::pod::Container| container.requests.get(resource).copied();
    let mut running = pod.containers.iter().map(request).fold(None, add);
    let (mut sidecars, mut starting) = (None, None);
    for container in &pod.init_containers {
        let needed = add(request(container), sidecars);
        if container.restart_always {
            running = add(running, request(container));
            sidecars = needed;
        }
        starting = starting.max(needed);
    }
    running.max(starting)
}

fn container_requests(
    pod: &Pod,
    resource: &str,
    wanted: Option<&str>,
) -> Result<i64, RequestError> {
    let sidecars = pod
        .init_containers
        .iter()
        .filter(|container| container.restart_always);
    let mut sum = 0i64;
    for container in pod.containers.iter().chain(sidecars) {
        if wanted.is_some_and(|name| name != container.name) {
            continue;
        }
        let request = container
            .requests
            .get(resource)
            .ok_or_else(|| RequestError::Container {
                resource: resource.to_owned(),
                container: container.name.clone(),
                pod: pod.name.clone(),
            })?;
        sum = sum.saturating_add(*request);
        if wanted.is_some() {
            return Ok(sum);
        }
    }
    match wanted {
        Some(container) => Err(RequestError::NoContainer {
            container: container.to_owned(),
            pod: pod.name.clone(),
        }),
        None => Ok(sum),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::Container;

    fn container(name: &str, cpu: Option<i64>, restart_always: bool) -> Container {
        let requests = cpu.map(|cpu| ("cpu".to_owned(), cpu)).into_iter().collect();
        Container {
            name: name.to_owned(),
            requests,
            restart_always,
        }
    }

    fn pod() -> Pod {
        Pod {
            name: "p".to_owned(),
            containers: vec![
                container("a", Some(100), false),
                container("b", Some(50), false),
            ],
            init_containers: vec![
                container("sidecar", Some(30), true),
                container("setup", Some(400), false),
            ],
            ..Pod::default()
        }
    }

    fn request(pod: &Pod, resource: &str, of: Option<&str>, gate: bool) -> Result<i64, String> {
        calculate_requests(&[pod], resource, of, gate)
            .map(|requests| requests["p"])
            .map_err(|error| error.to_string())
    }

    #[test]
    fn pod_level_requests_count_only_with_their_gate() {
        let mut pod = pod();
        pod.pod_level_requests = Some([("cpu".to_owned(), 800)].into());
        assert_eq!(request(&pod, "cpu", None, true), Ok(800));
        assert_eq!(
            request(&pod, "cpu", None, false),
            Ok(180),
            "containers and sidecar"
        );
        assert_eq!(
            request(&pod, "cpu", Some("b"), true),
            Ok(50),
            "a container is not its pod"
        );
        assert_eq!(request(&pod, "cpu", Some("sidecar"), true), Ok(30));
        assert!(
            request(&pod, "cpu", Some("setup"), true).is_err(),
            "init containers are gone"
        );
    }

    #[test]
    fn what_the_pod_leaves_open_its_containers_answer_including_their_start() {
        let mut pod = pod();
        pod.pod_level_requests = Some([("memory".to_owned(), 1)].into());
        assert_eq!(
            request(&pod, "cpu", None, true),
            Ok(430),
            "setup beside the sidecar"
        );
        pod.init_containers.clear();
        pod.containers = vec![container("a", None, false)];
        let missing = "missing pod-level request for cpu in Pod p".to_owned();
        assert_eq!(request(&pod, "cpu", None, true), Err(missing));
        let missing = "missing request for cpu in container a of Pod p".to_owned();
        assert_eq!(request(&pod, "cpu", None, false), Err(missing));
        pod.pod_level_requests = Some([("example.com/thing".to_owned(), 1)].into());
        assert!(
            request(&pod, "cpu", None, true)
                .unwrap_err()
                .contains("in container a")
        );
    }
}
