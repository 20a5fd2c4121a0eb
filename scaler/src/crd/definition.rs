//! The CustomResourceDefinition itself, and `scaler crd`, which prints it.

use std::io::Write;
use std::process::ExitCode;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

use super::ScalingPolicy;

/// First line of the printed definition.
const HEADER: &str = "# Printed by `scaler crd`; do not edit.\n";

/// The definition of ScalingPolicy, to be installed once in each cluster.
pub fn definition() -> CustomResourceDefinition {
    ScalingPolicy::crd()
}

/// The definition as a manifest.
///
/// # Errors
/// Never, for a definition that serialises; the type says so.
pub fn to_yaml() -> Result<String, serde_yaml::Error> {
    Ok(format!("{HEADER}{}", serde_yaml::to_string(&definition())?))
}

/// `scaler crd`: prints the definition, for `kubectl apply -f -`.
///
/// # Errors
/// When it cannot be printed.
pub fn main() -> anyhow::Result<ExitCode> {
    std::io::stdout().lock().write_all(to_yaml()?.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
