//! The rival, end to end: a saturated deployment is scaled by its HorizontalPodAutoscaler, through
//! the node's metrics and the API server's aggregation, and kubectl tells about it.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use viperscale_tests::{TestCluster, eventually};

/// Two looks, a poll and a sync: 20, 15 and 15 s at most, and some for starting.
const FIRST_PATCH: Duration = Duration::from_secs(60);

const MANIFESTS: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: busy, namespace: viperscale-e2e}
spec:
  selector: {matchLabels: {app: busy}}
  template:
    metadata: {labels: {app: busy}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: spin
        image: none
        command: [/bin/sh, -c, "while :; do :; done"]
        resources: {requests: {cpu: 100m, memory: 8Mi}, limits: {cpu: 200m, memory: 32Mi}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: busy, namespace: viperscale-e2e}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: busy}
  maxReplicas: 6
  metrics:
  - type: Resource
    resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}
"#;

#[tokio::test]
async fn a_saturated_deployment_is_scaled_and_kubectl_tells_why() {
    let cluster = TestCluster::start().await;
    let kubectl = |arguments: &[&str], input: &str| kubectl(cluster.kubeconfig(), arguments, input);
    kubectl(&["apply", "-f", "-"], MANIFESTS);
    eventually("a patch", FIRST_PATCH, async || {
        (cluster.replicas("busy").await > 1).then_some(())
    })
    .await;

    // The pass writes the status and the event right after the scale.
    let told = Duration::from_secs(5);
    let described = eventually("the event", told, async || {
        let described = kubectl(&["describe", "hpa", "busy"], "");
        described.contains("New size: ").then_some(described)
    })
    .await;
    let rows: Vec<Vec<&str>> = described
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    for expected in [
        ["AbleToScale", "True", "SucceededRescale"],
        ["ScalingActive", "True", "ValidMetricFound"],
        ["Normal", "SuccessfulRescale", ""],
    ] {
        let found = rows.iter().any(|row| {
            let mut pairs = row.iter().zip(expected);
            row.len() > 3 && pairs.all(|(word, wanted)| wanted.is_empty() || *word == wanted)
        });
        assert!(found, "no row {expected:?} in\n{described}");
    }
    assert!(
        described.contains("cpu resource utilization (percentage of request) above target"),
        "{described}"
    );

    let table = kubectl(&["get", "hpa", "busy"], "");
    let percent = table
        .split_whitespace()
        .find_map(|word| word.strip_suffix("%/50%")?.parse::<u32>().ok());
    // The limit is twice the request, and the target a half of it.
    assert!(
        percent.is_some_and(|percent| (55..=220).contains(&percent)),
        "{table}"
    );
    cluster.stop().await;
}

/// What kubectl prints.
fn kubectl(kubeconfig: &Path, arguments: &[&str], input: &str) -> String {
    let mut child = Command::new("kubectl")
        .args(["--namespace", "viperscale-e2e"])
        .args(arguments)
        .env("KUBECONFIG", kubeconfig)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("kubectl must be installed to run this test");
    let mut stdin = child.stdin.take().expect("it is a pipe");
    stdin.write_all(input.as_bytes()).expect("kubectl reads");
    drop(stdin);
    let output = child.wait_with_output().expect("kubectl ends");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "kubectl {arguments:?}: {complaint}"
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
