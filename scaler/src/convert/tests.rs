use super::*;

const HPA: &str = "\
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web, namespace: shop}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 2
  maxReplicas: 10
  metrics:
  - type: Resource
    resource: {name: cpu, target: {type: Utilization, averageUtilization: 60}}
  - type: Resource
    resource: {name: memory, target: {type: Utilization, averageUtilization: 80}}
  - type: ContainerResource
    containerResource: {name: cpu, container: server, target: {type: AverageValue, averageValue: 300m}}
  - type: Pods
    pods: {metric: {name: requests_per_second}, target: {type: AverageValue, averageValue: 100}}
  behavior:
    scaleDown:
      stabilizationWindowSeconds: 120
      policies: [{type: Percent, value: 10, periodSeconds: 60}]
";

fn context() -> Context {
    Context {
        namespace: "default".to_owned(),
        cpu_request_cores: None,
    }
}

fn converted(text: &str, context: &Context) -> String {
    convert(text, "hpa.yaml", context).unwrap().join("---\n")
}

#[test]
fn what_has_a_counterpart_is_carried_over_and_the_rest_is_named() {
    assert_eq!(
        converted(HPA, &context()),
        "\
# From HorizontalPodAutoscaler shop/web, by `scaler convert`.
# Decisions are shown, not carried out. When they please you, delete the HPA and set mode: Active.
apiVersion: viperscale.dev/v1alpha1
kind: ScalingPolicy
metadata: {name: web, namespace: shop}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 2
  maxReplicas: 10
  mode: DryRun
  # cpu 60 % of the request: not carried over, because the request is not in the HPA (name it with --cpu-request); the waiting for a CPU stands for it
  # use of `memory` by all containers: not carried over; Viperscale measures containers in the kernel and asks no metrics API
  # Pods metric `requests_per_second`: not carried over; Viperscale measures containers in the kernel and asks no metrics API
  metrics:
    - name: runqLatency
      statistic: p95
      threshold: 5ms
      response: Queueing
    - name: onCpuTime
      container: server
      statistic: share
      threshold: \"0.3\"
      response: Proportional
  # as in the HPA; what it leaves out has Viperscale's defaults, which are faster
  behavior:
    scaleDown:
      stabilizationWindowSeconds: 120
      policies:
      - {type: Percent, value: 10, periodSeconds: 60}
"
    );
}

#[test]
fn a_known_request_makes_utilisation_exact() {
    let context = Context {
        cpu_request_cores: Some(0.2),
        ..context()
    };
    let text = converted(HPA, &context);
    assert!(text.contains("threshold: \"0.12\""), "{text}");
    assert!(!text.contains("runqLatency"), "{text}");
}

#[test]
fn version_one_and_lists_are_read() {
    let text = "\
apiVersion: v1
kind: List
items:
- apiVersion: autoscaling/v1
  kind: HorizontalPodAutoscaler
  metadata:
    name: cart
    annotations: {autoscaling.alpha.kubernetes.io/behavior: '{}'}
  spec:
    scaleTargetRef: {kind: Deployment, name: cart}
    minReplicas: 0
    maxReplicas: 3
    targetCPUUtilizationPercentage: 50
";
    assert_eq!(
        converted(text, &context()),
        "\
# From HorizontalPodAutoscaler default/cart, by `scaler convert`.
# Decisions are shown, not carried out. When they please you, delete the HPA and set mode: Active.
# The HPA names no namespace.
# Annotation autoscaling.alpha.kubernetes.io/behavior: not carried over; convert it as autoscaling/v2.
apiVersion: viperscale.dev/v1alpha1
kind: ScalingPolicy
metadata: {name: cart, namespace: default}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: cart}
  # minReplicas 0: not carried over, because without pods there is nothing to measure
  minReplicas: 1
  maxReplicas: 3
  mode: DryRun
  # cpu 50 % of the request: not carried over, because the request is not in the HPA (name it with --cpu-request); the waiting for a CPU stands for it
  metrics:
    - name: runqLatency
      statistic: p95
      threshold: 5ms
      response: Queueing
  # the HPA's defaults were not carried over: it waits 300 s before it scales down, and doubles every 15 s; here both are faster, because values are seconds old
  behavior: {}
"
    );
}

#[test]
fn every_mistake_has_its_message() {
    let error = |from: &str, to: &str| {
        assert!(HPA.contains(from), "{from}");
        let text = HPA.replacen(from, to, 1);
        convert(&text, "hpa.yaml", &context())
            .unwrap_err()
            .to_string()
    };
    for (from, to, expected) in [
        (
            "kind: HorizontalPodAutoscaler",
            "kind: Deployment",
            "hpa.yaml: document 1: kind: expected `HorizontalPodAutoscaler`, found `Deployment`",
        ),
        (
            "autoscaling/v2",
            "autoscaling/v2beta2",
            "hpa.yaml: document 1: apiVersion: expected `autoscaling/v2` or `autoscaling/v1`, found `autoscaling/v2beta2`",
        ),
        (
            "kind: Deployment",
            "kind: StatefulSet",
            "hpa.yaml: document 1: spec.scaleTargetRef: expected an apps/v1 Deployment, found apps/v1 StatefulSet",
        ),
        (
            "name: web, namespace: shop",
            "namespace: shop",
            "hpa.yaml: document 1: metadata.name: expected the name of the autoscaler, found nothing",
        ),
        (
            "maxReplicas: 10",
            "maxReplicas: 1",
            "hpa.yaml: document 1: no policy can say that: spec.maxReplicas: expected at least minReplicas, which is 2, found `1`",
        ),
        (
            "averageValue: 300m",
            "averageValue: lots",
            "hpa.yaml: document 1: spec.metrics: expected CPU time such as `200m`, found `lots`",
        ),
    ] {
        assert_eq!(error(from, to), expected, "{from} -> {to}");
    }
    let empty = convert("# nothing\n", "hpa.yaml", &context()).unwrap_err();
    assert_eq!(
        empty.to_string(),
        "hpa.yaml: expected a HorizontalPodAutoscaler, found no document"
    );
    let request = cpu_request("two").unwrap_err().to_string();
    assert_eq!(
        request,
        "--cpu-request two: expected CPU time such as `200m` or `1.5`, above 0"
    );
}
