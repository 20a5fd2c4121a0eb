//! The real kubectl against the server: what users type.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod support;

use support::Cluster;
use support::kubectl::{Kubectl, row};

const MANIFEST: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: server
        image: shop:1
        resources: {requests: {cpu: 100m}, limits: {cpu: 200m}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
"#;

const CUSTOM: &str = r#"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.dev}
spec:
  group: example.dev
  scope: Namespaced
  names: {plural: widgets, kind: Widget, shortNames: [wd]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
    additionalPrinterColumns: [{name: Target, type: string, jsonPath: .spec.target}]
"#;

const WIDGET: &str = r#"
apiVersion: example.dev/v1
kind: Widget
metadata: {name: one}
spec: {target: web}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn workloads() {
    let cluster = Cluster::start().await.with_node().await;
    let kubectl = Kubectl(&cluster);
    let applied = kubectl.run("apply -f FILE", MANIFEST).await;
    assert_eq!(
        applied,
        "deployment.apps/web created\nservice/web created\n"
    );
    assert!(
        kubectl
            .run("apply -f FILE", MANIFEST)
            .await
            .contains("deployment.apps/web unchanged")
    );
    kubectl
        .run("rollout status deployment/web --timeout=20s", "")
        .await;

    let table = kubectl.run("get deploy,pods", "").await;
    assert!(
        row(&table, "deployment.apps/web").starts_with("deployment.apps/web 2/2 2 2 "),
        "{table}"
    );
    assert!(
        row(&table, "pod/web-").contains(" 1/1 Running 0 "),
        "{table}"
    );
    let wide = kubectl.run("get pods -A -o wide", "").await;
    let pod = row(&wide, "default");
    assert!(
        pod.contains(" 127.10.0.") && pod.contains(" local "),
        "{wide}"
    );
    let yaml = kubectl.run("get deploy web -o yaml", "").await;
    assert!(yaml.contains("revisionHistoryLimit: 10"), "{yaml}");
    let services = kubectl.run("get svc", "").await;
    assert!(
        row(&services, "web").starts_with("web ClusterIP 127.96."),
        "{services}"
    );

    let changed = MANIFEST
        .replace("shop:1", "shop:2")
        .replace("replicas: 2", "replicas: 3");
    kubectl
        .run("apply --server-side --force-conflicts -f FILE", &changed)
        .await;
    kubectl
        .run("rollout status deployment/web --timeout=20s", "")
        .await;
    let images = kubectl
        .run("get deploy web -o jsonpath={..image}", "")
        .await;
    assert_eq!(images, "shop:2");

    kubectl.run("scale deployment/web --replicas=4", "").await;
    kubectl
        .run("rollout status deployment/web --timeout=20s", "")
        .await;
    kubectl
        .run(r#"patch deployment web -p {"spec":{"replicas":1}}"#, "")
        .await;
    kubectl
        .run(
            r#"patch deployment web --type=merge -p {"metadata":{"labels":{"a":"b"}}}"#,
            "",
        )
        .await;
    let described = kubectl.run("describe deploy web", "").await;
    assert!(
        described.contains("1 desired") && described.contains("ScalingReplicaSet"),
        "{described}"
    );
    let events = kubectl.run("get events", "").await;
    assert!(events.contains("Scaled down replica set"), "{events}");
    let refused = kubectl
        .fails(r#"patch deployment web -p {"spec":{"replicas":-1}}"#)
        .await;
    assert!(
        refused.contains("must be greater than or equal to 0"),
        "{refused}"
    );
    assert!(
        kubectl
            .fails("logs deployment/web")
            .await
            .contains("does not serve container logs")
    );

    kubectl.run("delete deployment web --timeout=20s", "").await;
    kubectl
        .run("wait --for=delete pod -l app=web --timeout=20s", "")
        .await;
    assert!(kubectl.fails("get deploy web").await.contains("NotFound"));
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn watching_prints_changes() {
    let cluster = Cluster::start().await.with_node().await;
    let kubectl = Kubectl(&cluster);
    let watching = kubectl.run("get deploy -w --request-timeout=4s", "");
    let applying = async {
        kubectl.run("apply -f FILE", MANIFEST).await;
        kubectl
            .run("rollout status deployment/web --timeout=20s", "")
            .await;
    };
    let (printed, ()) = tokio::join!(watching, applying);
    assert!(
        printed.contains("web    0/2") && printed.contains("web    2/2"),
        "{printed}"
    );
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn discovery_and_custom_resources() {
    let cluster = Cluster::start().await;
    let kubectl = Kubectl(&cluster);
    assert!(kubectl.run("version", "").await.contains("viperscale"));
    kubectl.run("apply -f FILE", CUSTOM).await;
    kubectl
        .run(
            "wait --for=condition=Established crd/widgets.example.dev --timeout=20s",
            "",
        )
        .await;
    let resources = kubectl.run("api-resources", "").await;
    for start in [
        "deployments deploy apps/v1 true Deployment",
        "widgets wd example.dev/v1 true Widget",
    ] {
        let name = start.split(' ').next().unwrap();
        assert_eq!(row(&resources, name), start);
    }
    kubectl.run("apply -f FILE", WIDGET).await;
    assert!(
        kubectl
            .run("apply -f FILE", &WIDGET.replace("web", "api"))
            .await
            .contains("configured")
    );
    assert_eq!(row(&kubectl.run("get wd", "").await, "one"), "one api");
    kubectl
        .run("delete crd widgets.example.dev --timeout=20s", "")
        .await;
    kubectl.fails("get widgets").await;
    kubectl
        .run(
            "create -f FILE",
            "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n",
        )
        .await;
    kubectl.run("-n shop apply -f FILE", MANIFEST).await;
    kubectl.run("delete namespace shop --timeout=20s", "").await;
    cluster.stop().await;
}

const AUTOSCALER: &str = r#"
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 1
  maxReplicas: 10
  metrics:
  - {type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}}
  - {type: Resource, resource: {name: memory, target: {type: Utilization, averageUtilization: 50}}}
  behavior: {scaleDown: {stabilizationWindowSeconds: 60}}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn autoscalers() {
    let cluster = Cluster::start().await;
    let kubectl = Kubectl(&cluster);
    kubectl.run("apply -f FILE", AUTOSCALER).await;
    assert!(
        kubectl
            .run("apply -f FILE", AUTOSCALER)
            .await
            .contains("unchanged")
    );
    let listed = kubectl.run("get hpa", "").await;
    assert_eq!(
        row(&listed, "NAME"),
        "NAME REFERENCE TARGETS MINPODS MAXPODS REPLICAS AGE"
    );
    assert!(
        row(&listed, "web")
            .starts_with("web Deployment/web cpu: <unknown>/50%, memory: <unknown>/50% 1 10 0 "),
        "{listed}"
    );
    let current = |name: &str, percent: u8| {
        format!(
            r#"{{"type":"Resource","resource":{{"name":"{name}","current":{{"averageUtilization":{percent}}}}}}}"#
        )
    };
    let status = format!(
        r#"{{"status":{{"currentReplicas":2,"currentMetrics":[{},{}]}}}}"#,
        current("cpu", 23),
        current("memory", 3)
    );
    kubectl
        .run(
            &format!("patch hpa web --subresource=status --type=merge -p {status}"),
            "",
        )
        .await;
    let listed = kubectl.run("get hpa", "").await;
    assert!(
        row(&listed, "web").starts_with("web Deployment/web cpu: 23%/50%, memory: 3%/50% 1 10 2 "),
        "{listed}"
    );

    // A change through v1 keeps what v1 has no fields for.
    let old = kubectl
        .run(
            "get horizontalpodautoscalers.v1.autoscaling web -o yaml",
            "",
        )
        .await;
    assert!(old.contains("targetCPUUtilizationPercentage: 50"), "{old}");
    kubectl
        .run(
            "replace -f FILE",
            &old.replace("maxReplicas: 10", "maxReplicas: 12"),
        )
        .await;
    let new = kubectl.run("get hpa web -o yaml", "").await;
    for kept in [
        "maxReplicas: 12",
        "name: memory",
        "stabilizationWindowSeconds: 60",
    ] {
        assert!(new.contains(kept), "{kept}: {new}");
    }
    let described = kubectl.run("describe hpa web", "").await;
    assert!(described.contains("resource cpu on pods"), "{described}");

    let refused = kubectl
        .fails(r#"patch hpa web --type=merge -p {"spec":{"minReplicas":13}}"#)
        .await;
    assert!(
        refused.contains(
            "spec.maxReplicas: Invalid value: 12: must be greater than or equal to `minReplicas`"
        ),
        "{refused}"
    );
    cluster.stop().await;
}
