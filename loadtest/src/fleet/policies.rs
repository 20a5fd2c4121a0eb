//! A policy for each deployment.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::plan::{CONTAINER, NAMESPACE, Plan, deployment_name};

/// Documents in one file: a file may have 1 MiB, and each is read again every few seconds.
const PER_FILE: u32 = 500;
/// What the simulated pods do per second is exactly this; see `reports`.
pub(super) const FAULTS_PER_SECOND: u64 = 4_000;
/// What each statistic looks back over, in seconds: the product's default.
pub(super) const WINDOW_SECONDS: u64 = 5;

/// Writes the policies into a folder below `dir` and returns it.
///
/// Each has two metrics: a latency that is answered by queueing theory, the costliest response, and
/// which never asks for more here; and a rate, whose answer is known in advance.
pub(super) fn write(plan: Plan, dir: &Path) -> Result<PathBuf> {
    let folder = dir.join("policies");
    let what = || format!("cannot write the policies to {}", folder.display());
    fs::create_dir_all(&folder).with_context(what)?;
    for (file, first) in (0..plan.deployments).step_by(PER_FILE as usize).enumerate() {
        let last = plan.deployments.min(first + PER_FILE);
        let documents: String = (first..last).map(document).collect();
        fs::write(folder.join(format!("policies-{file}.yaml")), documents).with_context(what)?;
    }
    Ok(folder)
}

fn document(deployment: u32) -> String {
    let name = deployment_name(deployment);
    let mut text = String::new();
    // Writing into a String cannot fail.
    let _ = write!(
        text,
        "---
apiVersion: viperscale.dev/v1alpha1
kind: ScalingPolicy
metadata: {{name: {name}, namespace: {NAMESPACE}}}
spec:
  scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: {name}}}
  minReplicas: 1
  maxReplicas: 1000
  window: {WINDOW_SECONDS}s
  metrics:
    - {{name: runqLatency, container: {CONTAINER}, statistic: p95, threshold: 5ms, response: Queueing}}
    - {{name: userPageFaults, container: {CONTAINER}, statistic: rate, threshold: {FAULTS_PER_SECOND}/s, response: Proportional}}
"
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_deployment_has_one_policy() {
        let dir = tempfile::tempdir().unwrap();
        let folder = write(Plan::new(100, 30, Some(1_100)), dir.path()).unwrap();
        let texts: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|file| fs::read_to_string(file.unwrap().path()).unwrap())
            .collect();
        assert_eq!(texts.len(), 3);
        assert_eq!(
            texts
                .iter()
                .map(|t| t.matches("\n---\n").count() + 1)
                .sum::<usize>(),
            1_100
        );
        assert!(texts.iter().any(|text| text.contains("name: app-1099}")));
    }
}
