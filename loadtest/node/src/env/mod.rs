//! The environment, command line and working directory of a container (pure).
//!
//! Order and rules are Kubernetes': service links first, then the container's own variables in
//! order, each of which may refer to those before it as `$(NAME)`.

mod expand;
mod fields;
mod service_links;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, EnvVar, Pod, Service};

use crate::config::HOST_PROCESSES;

pub(crate) use expand::expand;
pub(crate) use fields::PodFields;
pub(crate) use service_links::service_links;

/// Why a container cannot be configured as its spec says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConfigError {
    /// Images are recorded, not pulled, so nothing supplies a default command.
    #[error("container {0:?} has no command: this node runs host programs and pulls no image")]
    NoCommand(String),
    /// The pod is for nodes that run images, and was bound here because it tolerates any taint.
    #[error(
        "not started: this node runs host programs as root; a pod that is meant for it tolerates \
         the taint {HOST_PROCESSES} by name"
    )]
    NotMeant,
    /// A variable or field comes from somewhere this node cannot read.
    #[error("environment variable {name:?}: {problem}")]
    Variable {
        /// The variable.
        name: String,
        /// What is wrong with its source.
        problem: String,
    },
    /// A resource quantity cannot be read.
    #[error(transparent)]
    Quantity(#[from] crate::quantity::InvalidQuantity),
}

/// Everything a process needs to be started, with nothing left to look up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommandLine {
    /// Path or name (searched in `PATH`) of the program.
    pub program: String,
    /// Its arguments, without the program's name.
    pub arguments: Vec<String>,
    /// Its whole environment.
    pub environment: BTreeMap<String, String>,
    /// Where it starts; the node's own directory when the spec says nothing.
    pub working_directory: Option<String>,
}

/// Works out what a container runs.
///
/// `inherited` is what an image would have provided (`PATH`), and weakest.
///
/// # Errors
/// When there is no command, or a variable's source is missing or unsupported.
pub(crate) fn command_line(
    pod: &Pod,
    container: &Container,
    fields: &PodFields<'_>,
    services: &[impl AsRef<Service>],
    inherited: BTreeMap<String, String>,
) -> Result<CommandLine, ConfigError> {
    let spec = pod.spec.as_ref();
    let mut environment = inherited;
    environment.insert(
        "HOSTNAME".to_owned(),
        pod.metadata.name.clone().unwrap_or_default(),
    );
    if spec
        .and_then(|spec| spec.enable_service_links)
        .unwrap_or(true)
    {
        let namespace = pod.metadata.namespace.as_deref().unwrap_or("default");
        environment.extend(service_links(namespace, services));
    }
    if container
        .env_from
        .as_ref()
        .is_some_and(|sources| !sources.is_empty())
    {
        return Err(ConfigError::Variable {
            name: "envFrom".to_owned(),
            problem: "config maps and secrets are not supported by this node".to_owned(),
        });
    }
    for variable in container.env.iter().flatten() {
        let value = value_of(variable, container, fields, &environment)?;
        environment.insert(variable.name.clone(), value);
    }
    let expanded = |words: &Option<Vec<String>>| -> Vec<String> {
        words
            .iter()
            .flatten()
            .map(|word| expand(word, &environment))
            .collect()
    };
    let mut words = expanded(&container.command).into_iter();
    let program = words
        .next()
        .ok_or_else(|| ConfigError::NoCommand(container.name.clone()))?;
    let arguments = words.chain(expanded(&container.args)).collect();
    Ok(CommandLine {
        program,
        arguments,
        environment,
        working_directory: container.working_dir.clone(),
    })
}

fn value_of(
    variable: &EnvVar,
    container: &Container,
    fields: &PodFields<'_>,
    earlier: &BTreeMap<String, String>,
) -> Result<String, ConfigError> {
    let Some(source) = &variable.value_from else {
        return Ok(expand(variable.value.as_deref().unwrap_or(""), earlier));
    };
    let problem = |problem: String| ConfigError::Variable {
        name: variable.name.clone(),
        problem,
    };
    if let Some(field) = &source.field_ref {
        return fields.field(&field.field_path).map_err(problem);
    }
    if let Some(resource) = &source.resource_field_ref {
        return fields.resource(container, resource).map_err(problem);
    }
    Err(problem(
        "only fieldRef and resourceFieldRef are supported by this node".to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::sync::Arc;

    fn resolve(pod: serde_json::Value) -> Result<CommandLine, ConfigError> {
        let pod: Pod = serde_json::from_value(pod).unwrap();
        let container = pod.spec.as_ref().unwrap().containers[0].clone();
        let fields = PodFields {
            pod: &pod,
            pod_ip: "127.10.0.7",
            host_ip: "127.0.0.1",
            node_milli_cpu: 2_000,
            node_memory_bytes: 1 << 30,
        };
        let service: Service = serde_json::from_value(json!({
            "metadata": {"name": "cart", "namespace": "shop"},
            "spec": {"clusterIP": "127.96.0.5", "ports": [{"port": 7070}]},
        }))
        .unwrap();
        let inherited = BTreeMap::from([("PATH".to_owned(), "/bin".to_owned())]);
        command_line(&pod, &container, &fields, &[Arc::new(service)], inherited)
    }

    #[test]
    fn variables_see_links_and_earlier_variables_and_reach_the_arguments() {
        let line = resolve(json!({
            "metadata": {"name": "web-1", "namespace": "shop"},
            "spec": {"containers": [{
                "name": "server",
                "command": ["serve", "--cart=$(CART)"],
                "args": ["$(POD_IP):$(PORT)", "$$(PORT)", "$(UNKNOWN)"],
                "env": [
                    {"name": "PORT", "value": "8080"},
                    {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
                    {"name": "CART", "value": "$(CART_SERVICE_HOST):$(CART_SERVICE_PORT)"},
                    {"name": "EARLY", "value": "$(LATE)"},
                    {"name": "LATE", "value": "x"},
                ],
            }]},
        }))
        .unwrap();
        assert_eq!(line.program, "serve");
        assert_eq!(
            line.arguments,
            [
                "--cart=127.96.0.5:7070",
                "127.10.0.7:8080",
                "$(PORT)",
                "$(UNKNOWN)"
            ]
        );
        assert_eq!(line.environment["EARLY"], "$(LATE)");
        assert_eq!(line.environment["PATH"], "/bin");
        assert_eq!(line.environment["HOSTNAME"], "web-1");
    }

    #[test]
    fn says_what_it_cannot_provide() {
        let with_env = |env: serde_json::Value| {
            resolve(json!({
                "metadata": {"name": "p"},
                "spec": {"containers": [{"name": "c", "command": ["true"], "env": [env]}]},
            }))
        };
        let secret = json!({"name": "S", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}});
        assert!(with_env(secret).unwrap_err().to_string().contains("\"S\""));
        let unknown = json!({"name": "F", "valueFrom": {"fieldRef": {"fieldPath": "spec.nope"}}});
        assert!(
            with_env(unknown)
                .unwrap_err()
                .to_string()
                .contains("spec.nope")
        );
        let none = resolve(json!({"spec": {"containers": [{"name": "c", "args": ["x"]}]}}));
        assert_eq!(none, Err(ConfigError::NoCommand("c".to_owned())));
    }
}
