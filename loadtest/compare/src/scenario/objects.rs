//! The objects that a scenario asks for: HorizontalPodAutoscalers for one side, ScalingPolicies for the other.

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscalerSpec;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::builtin::Policies;
use super::check::Problem;
use super::{Deployment, Scenario, ViperscalePolicy};

impl Scenario {
    /// The HorizontalPodAutoscalers (`autoscaling/v2`), one per scaled Deployment and named as it is.
    #[must_use]
    pub fn hpa_objects(&self) -> Vec<Value> {
        let object = |deployment: &Deployment| {
            json!({
                "apiVersion": "autoscaling/v2",
                "kind": "HorizontalPodAutoscaler",
                "metadata": {"name": deployment.name, "namespace": self.namespace},
                "spec": deployment.hpa_spec(),
            })
        };
        self.deployments.iter().map(object).collect()
    }

    /// The ScalingPolicies, one YAML document per scaled Deployment, each with a file name of its own.
    #[must_use]
    pub fn policies(&self) -> Vec<(String, String)> {
        let file = |deployment: &Deployment| {
            let policy = deployment
                .policy(&self.namespace)
                .expect("checked when the scenario was read");
            let text = serde_yaml::to_string(&policy).expect("JSON is YAML");
            (format!("{}.yaml", deployment.name), text)
        };
        self.deployments.iter().map(file).collect()
    }

    /// Stands for everything that decides the outcome of a trial, built-in policies included: two scenarios of one
    /// hash differ at most in their description and in the number of trials.
    #[must_use]
    pub fn hash(&self) -> String {
        let decisive = Self {
            description: String::new(),
            trials: 0,
            ..self.clone()
        };
        let text = json!([decisive, self.policies()]).to_string();
        let digest = Sha256::digest(text.as_bytes());
        digest
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

impl Deployment {
    fn target(&self) -> Value {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": self.name})
    }

    fn hpa_spec(&self) -> Value {
        let mut spec = self.hpa.clone();
        spec["scaleTargetRef"] = self.target();
        spec
    }

    /// The policy as an object.
    fn policy(&self, namespace: &str) -> Result<Value, String> {
        let mut policy = match &self.viperscale {
            ViperscalePolicy::OwnName => builtin_policy(&self.name)?,
            ViperscalePolicy::Builtin(name) => builtin_policy(name)?,
            ViperscalePolicy::Spec(spec) if spec.is_object() => json!({
                "apiVersion": "viperscale.dev/v1alpha1",
                "kind": "ScalingPolicy",
                "spec": spec,
            }),
            ViperscalePolicy::Spec(_) => {
                return Err("expected the name of a built-in policy or a map of fields".into());
            }
        };
        policy["metadata"] = json!({"name": self.name, "namespace": namespace});
        policy["spec"]["scaleTargetRef"] = self.target();
        Ok(policy)
    }

    /// Checks the HPA's spec against the fields and types of the API.
    pub(super) fn check_hpa(&self, field: &str) -> Result<(), Problem> {
        let Some(given) = self.hpa.as_object() else {
            return Err(Problem::new(
                field,
                "expected the fields of an autoscaling/v2 spec",
            ));
        };
        refuse_target(given.contains_key("scaleTargetRef"), field)?;
        let spec = self.hpa_spec();
        let read: HorizontalPodAutoscalerSpec =
            serde_path_to_error::deserialize(&spec).map_err(|error| {
                let inner = error.path().to_string();
                let separator = if inner == "." { "" } else { "." };
                let place = inner.trim_start_matches('.');
                Problem::new(
                    format!("{field}{separator}{place}"),
                    error.inner().to_string(),
                )
            })?;
        let known = serde_json::to_value(&read).map_err(|e| Problem::new(field, e.to_string()))?;
        if let Some(unknown) = unknown_field(&spec, &known, field) {
            return Err(Problem::new(unknown, "autoscaling/v2 has no such field"));
        }
        let (least, most) = (read.min_replicas.unwrap_or(1), read.max_replicas);
        if least < 1 || most < least {
            let message =
                format!("expected 1 <= minReplicas <= maxReplicas, found {least} and {most}");
            return Err(Problem::new(format!("{field}.maxReplicas"), message));
        }
        Ok(())
    }

    /// Has the scaler's own parser check the policy.
    pub(super) fn check_policy(&self, namespace: &str, field: &str) -> Result<(), Problem> {
        if let ViperscalePolicy::Spec(spec) = &self.viperscale {
            refuse_target(spec.get("scaleTargetRef").is_some(), field)?;
        }
        let policy = self
            .policy(namespace)
            .map_err(|message| Problem::new(field, message))?;
        let text =
            serde_yaml::to_string(&policy).map_err(|e| Problem::new(field, e.to_string()))?;
        let problems = match scaler_core::policy::load(&text, field) {
            Ok(_) => return Ok(()),
            Err(problems) => problems,
        };
        let first = problems.into_iter().next().map_or_else(
            || Problem::new(field, "not a policy"),
            |error| {
                let place = error.field.strip_prefix("spec").unwrap_or(&error.field);
                Problem::new(format!("{field}{place}"), error.message)
            },
        );
        Err(first)
    }
}

fn refuse_target(found: bool, field: &str) -> Result<(), Problem> {
    if found {
        let message = "the target is the Deployment of this entry; expected no `scaleTargetRef`";
        return Err(Problem::new(format!("{field}.scaleTargetRef"), message));
    }
    Ok(())
}

fn builtin_policy(name: &str) -> Result<Value, String> {
    let Some(file) = Policies::get(&format!("{name}.yaml")) else {
        let mut known: Vec<String> = Policies::iter()
            .filter_map(|file| Some(file.strip_suffix(".yaml")?.to_owned()))
            .collect();
        known.sort();
        return Err(format!(
            "there is no built-in policy `{name}`; expected a spec, or one of {}",
            known.join(", ")
        ));
    };
    serde_yaml::from_slice(&file.data).map_err(|error| format!("built-in policy `{name}`: {error}"))
}

/// The first field that is in `given` and was not read, so that it is not in `known`.
fn unknown_field(given: &Value, known: &Value, path: &str) -> Option<String> {
    match (given, known) {
        (Value::Object(given), Value::Object(known)) => given.iter().find_map(|(key, value)| {
            let path = format!("{path}.{key}");
            match known.get(key) {
                Some(known) => unknown_field(value, known, &path),
                None if value.is_null() => None,
                None => Some(path),
            }
        }),
        (Value::Array(given), Value::Array(known)) => {
            given
                .iter()
                .zip(known)
                .enumerate()
                .find_map(|(index, (given, known))| {
                    unknown_field(given, known, &format!("{path}[{index}]"))
                })
        }
        _ => None,
    }
}
