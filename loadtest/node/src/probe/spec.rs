//! Probes as checked values: defaults filled in, named ports resolved, units in the types.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, HTTPGetAction, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// What a probe does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// GET; any status from 200 to 399 is a success.
    Http {
        /// Another host than the pod's address.
        host: Option<String>,
        /// Port.
        port: u16,
        /// Path and query.
        path: String,
        /// Extra request headers.
        headers: Vec<(String, String)>,
    },
    /// Connect; an accepted connection is a success.
    Tcp {
        /// Another host than the pod's address.
        host: Option<String>,
        /// Port.
        port: u16,
    },
    /// Run a program inside the container's cgroup; exit code 0 is a success.
    Exec(Vec<String>),
    /// Something this node cannot do; always fails, with the reason.
    Unsupported(String),
}

/// One probe of one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProbeSpec {
    /// What is done.
    pub action: Action,
    /// Wait after the container's start.
    pub initial_delay: Duration,
    /// From one attempt to the next.
    pub period: Duration,
    /// An attempt that takes longer has failed.
    pub timeout: Duration,
    /// Successes in a row that turn failure into success.
    pub success_threshold: u32,
    /// Failures in a row that turn success into failure.
    pub failure_threshold: u32,
}

/// All probes of a container; absent ones count as successful.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Probes {
    /// Holds the others back until it succeeds; failure restarts the container.
    pub startup: Option<ProbeSpec>,
    /// Decides whether the pod receives requests.
    pub readiness: Option<ProbeSpec>,
    /// Failure restarts the container.
    pub liveness: Option<ProbeSpec>,
}

impl Probes {
    /// The probes of a container.
    pub(crate) fn of(container: &Container) -> Self {
        let checked = |probe: &Option<Probe>| probe.as_ref().map(|p| ProbeSpec::of(p, container));
        Self {
            startup: checked(&container.startup_probe),
            readiness: checked(&container.readiness_probe),
            liveness: checked(&container.liveness_probe),
        }
    }
}

impl ProbeSpec {
    fn of(probe: &Probe, container: &Container) -> Self {
        let seconds = |value: Option<i32>, default: u32, least: u32| {
            let value = value.map_or(default, |value| u32::try_from(value).unwrap_or(0));
            Duration::from_secs(u64::from(value.max(least)))
        };
        let count = |value: Option<i32>, default: u32| {
            value
                .and_then(|value| u32::try_from(value).ok())
                .filter(|v| *v > 0)
                .unwrap_or(default)
        };
        Self {
            action: Action::of(probe, container).unwrap_or_else(Action::Unsupported),
            initial_delay: seconds(probe.initial_delay_seconds, 0, 0),
            period: seconds(probe.period_seconds.filter(|period| *period > 0), 10, 1),
            timeout: seconds(probe.timeout_seconds, 1, 1),
            success_threshold: count(probe.success_threshold, 1),
            failure_threshold: count(probe.failure_threshold, 3),
        }
    }
}

impl Action {
    fn of(probe: &Probe, container: &Container) -> Result<Self, String> {
        if let Some(http) = &probe.http_get {
            return Self::http(http, container);
        }
        if let Some(tcp) = &probe.tcp_socket {
            return Ok(Self::Tcp {
                host: tcp.host.clone(),
                port: port(&tcp.port, container)?,
            });
        }
        match &probe.exec {
            Some(exec) => match exec.command.clone().filter(|words| !words.is_empty()) {
                Some(words) => Ok(Self::Exec(words)),
                None => Err("the exec probe has no command".to_owned()),
            },
            None => Err("this node supports httpGet, tcpSocket and exec probes".to_owned()),
        }
    }

    fn http(http: &HTTPGetAction, container: &Container) -> Result<Self, String> {
        if http
            .scheme
            .as_deref()
            .is_some_and(|scheme| !scheme.eq_ignore_ascii_case("http"))
        {
            return Err("this node supports httpGet probes with scheme HTTP only".to_owned());
        }
        let path = http.path.as_deref().unwrap_or("/");
        let headers = http.http_headers.iter().flatten();
        Ok(Self::Http {
            host: http.host.clone(),
            port: port(&http.port, container)?,
            path: if path.starts_with('/') {
                path.to_owned()
            } else {
                format!("/{path}")
            },
            headers: headers.map(|h| (h.name.clone(), h.value.clone())).collect(),
        })
    }
}

fn port(port: &IntOrString, container: &Container) -> Result<u16, String> {
    let number = match port {
        IntOrString::Int(number) => *number,
        IntOrString::String(name) => container
            .ports
            .iter()
            .flatten()
            .find(|candidate| candidate.name.as_deref() == Some(name))
            .map(|candidate| candidate.container_port)
            .or_else(|| name.parse().ok())
            .ok_or_else(|| format!("the container has no port named {name:?}"))?,
    };
    match u16::try_from(number) {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(format!("{number} is not a port")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn readiness(probe: serde_json::Value) -> ProbeSpec {
        let container: Container = serde_json::from_value(json!({
            "name": "c", "ports": [{"name": "web", "containerPort": 8080}], "readinessProbe": probe,
        }))
        .unwrap();
        Probes::of(&container).readiness.unwrap()
    }

    #[test]
    fn fills_in_kubernetes_defaults() {
        let spec = readiness(json!({"httpGet": {"path": "healthz", "port": "web"}}));
        let action = Action::Http {
            host: None,
            port: 8080,
            path: "/healthz".to_owned(),
            headers: vec![],
        };
        assert_eq!(
            spec,
            ProbeSpec {
                action,
                initial_delay: Duration::ZERO,
                period: Duration::from_secs(10),
                timeout: Duration::from_secs(1),
                success_threshold: 1,
                failure_threshold: 3,
            }
        );
    }

    #[test]
    fn what_cannot_be_done_is_a_probe_that_says_so() {
        for (probe, word) in [
            (json!({"httpGet": {"port": "none"}}), "none"),
            (json!({"httpGet": {"port": 1, "scheme": "HTTPS"}}), "scheme"),
            (json!({"tcpSocket": {"port": 70000}}), "70000"),
            (json!({"grpc": {"port": 1}}), "httpGet"),
            (json!({"exec": {}}), "command"),
        ] {
            match readiness(probe).action {
                Action::Unsupported(reason) => assert!(reason.contains(word), "{reason}"),
                other => panic!("{other:?}"),
            }
        }
    }
}
