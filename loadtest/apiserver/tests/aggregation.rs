//! Extension servers behind the API server, with a real one over TLS and with kubectl.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod support;

use futures::{AsyncBufReadExt, StreamExt};
use http::Request;
use kube::Client;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};
use support::Cluster;
use support::extension::{
    Extension, available, create_registration, create_service, registration, registrations,
};
use support::kubectl::{Kubectl, row};

const PODS: &str = "/apis/metrics.k8s.io/v1beta1/pods";

/// GET of a path; the `Status` of a refusal.
async fn get(client: &Client, path: &str) -> Result<Value, (u16, String)> {
    let request = Request::get(path).body(Vec::new()).unwrap();
    client.request(request).await.map_err(|error| match error {
        kube::Error::Api(status) => (
            status.code,
            format!("{}: {}", status.reason, status.message),
        ),
        other => panic!("{other}"),
    })
}

async fn groups(client: &Client) -> Vec<String> {
    let groups = client.list_api_groups().await.unwrap().groups;
    groups.into_iter().map(|group| group.name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_reach_the_extension_server_with_our_certificate_and_the_callers_name() {
    let cluster = Cluster::start().await;
    let extension = Extension::start(&cluster.client).await;
    extension.register(&cluster.client).await;
    let condition = available(&cluster.client, "Passed").await;
    assert_eq!(condition["status"], "True");
    assert_eq!(condition["message"], "all checks passed");

    let request = Request::get(format!("{PODS}?labelSelector=app%3Dweb"))
        .header("x-remote-user", "somebody-else")
        .header("x-remote-group", "forged")
        .body(Vec::new())
        .unwrap();
    let pods: Value = cluster.client.request(request).await.unwrap();
    assert_eq!(pods["items"][0]["containers"][0]["usage"]["cpu"], "23m");
    let seen = extension.seen().pop().unwrap();
    assert_eq!(seen.uri, format!("{PODS}?labelSelector=app%3Dweb"));
    assert_eq!(seen.headers["x-remote-user"], "viperscale-local");
    let groups: Vec<_> = seen.headers.get_all("x-remote-group").iter().collect();
    assert_eq!(groups, ["system:masters", "system:authenticated"]);
    assert!(!seen.headers.contains_key("authorization"));
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_stream_both_ways() {
    let cluster = Cluster::start().await;
    let extension = Extension::start(&cluster.client).await;
    extension.register(&cluster.client).await;
    // More than this server would read of a request to itself.
    let large = vec![b'x'; 5 << 20];
    let request = Request::post("/apis/metrics.k8s.io/v1beta1/echo").body(large.clone());
    let echoed = cluster.client.request_text(request.unwrap()).await.unwrap();
    assert_eq!(echoed.len(), large.len());

    let request = Request::get("/apis/metrics.k8s.io/v1beta1/stream?watch=true").body(Vec::new());
    let stream = cluster
        .client
        .request_stream(request.unwrap())
        .await
        .unwrap();
    let mut lines = std::pin::pin!(stream.lines());
    assert_eq!(lines.next().await.unwrap().unwrap(), "first");
    extension.send_more();
    assert_eq!(lines.next().await.unwrap().unwrap(), "second");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_leaves_and_a_stop_end_open_exchanges() {
    let cluster = Cluster::start().await;
    let extension = Extension::start(&cluster.client).await;
    extension.register(&cluster.client).await;
    let client = cluster.client.clone();
    let open = async || {
        let path = "/apis/metrics.k8s.io/v1beta1/stream?watch=true";
        let request = Request::get(path).body(Vec::new()).unwrap();
        let stream = client.request_stream(request).await.unwrap();
        let mut lines = Box::pin(stream.lines());
        assert_eq!(lines.next().await.unwrap().unwrap(), "first");
        lines
    };
    let closed = async || {
        support::eventually("no stream is open", || async {
            match extension.open_streams() {
                0 => Ok(()),
                open => Err(open),
            }
        })
        .await;
    };
    let lines = open().await;
    assert_eq!(extension.open_streams(), 1);
    drop(lines);
    closed().await;
    let mut lines = open().await;
    cluster.stop().await;
    closed().await;
    // The caller is told that this was not the end of it.
    assert!(!matches!(lines.next().await, Some(Ok(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_authenticated_callers_are_proxied() {
    let cluster = Cluster::start().await;
    let extension = Extension::start(&cluster.client).await;
    extension.register(&cluster.client).await;
    let text = std::fs::read_to_string(&cluster.kubeconfig).unwrap();
    let token = text.lines().find(|line| line.contains("token:")).unwrap();
    let broken = cluster.directory.path().join("broken");
    std::fs::write(&broken, text.replace(token.trim(), "token: guess")).unwrap();
    let stranger = support::client(&broken).await;
    let (code, _) = get(&stranger, PODS).await.unwrap_err();
    assert_eq!(code, 401);
    assert!(extension.seen().is_empty());
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_are_refused() {
    let cluster = Cluster::start().await;
    let extension = Extension::start(&cluster.client).await;
    extension.register(&cluster.client).await;
    let path = "/apis/metrics.k8s.io/v1beta1/redirect";
    let (code, message) = get(&cluster.client, path).await.unwrap_err();
    assert_eq!(code, 502);
    assert!(message.contains("attempted to redirect"), "{message}");
    // Errors of the extension server are its own.
    let broken = get(&cluster.client, "/apis/metrics.k8s.io/v1beta1/broken").await;
    assert_eq!(broken.unwrap_err().0, 500);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_reached_is_a_503_that_says_why() {
    let cluster = Cluster::start().await;
    let client = &cluster.client;
    let extension = Extension::start(client).await;
    let unknown = get(client, PODS).await.unwrap_err();
    assert_eq!(unknown.0, 404);

    create_registration(client, extension.registration()).await;
    available(client, "ServiceNotFound").await;
    let (code, message) = get(client, PODS).await.unwrap_err();
    assert_eq!(code, 503);
    assert!(
        message.starts_with("ServiceUnavailable: metrics.k8s.io/v1beta1"),
        "{message}"
    );
    assert!(
        message.contains("service/metrics-server in \"kube-system\" is not present"),
        "{message}"
    );

    create_service(client).await;
    available(client, "Passed").await;
    get(client, PODS).await.unwrap();

    // Another authority than the one behind the serving certificate.
    let other = Extension::start(client).await;
    let bundle = registration(1, &other.ca_pem)["spec"]["caBundle"].clone();
    patch(client, json!({"spec": {"caBundle": bundle}})).await;
    let (code, message) = get(client, PODS).await.unwrap_err();
    assert_eq!(code, 503);
    assert!(message.contains("invalid peer certificate"), "{message}");
    let condition = available(client, "FailedDiscoveryCheck").await;
    assert_eq!(condition["status"], "False");
    assert!(!groups(client).await.contains(&"metrics.k8s.io".to_owned()));

    // Any certificate will do.
    patch(
        client,
        json!({"spec": {"caBundle": null, "insecureSkipTLSVerify": true}}),
    )
    .await;
    available(client, "Passed").await;
    get(client, PODS).await.unwrap();

    registrations(client)
        .delete("v1beta1.metrics.k8s.io", &DeleteParams::default())
        .await
        .unwrap();
    assert_eq!(get(client, PODS).await.unwrap_err().0, 404);
    assert!(!groups(client).await.contains(&"metrics.k8s.io".to_owned()));
    cluster.stop().await;
}

async fn patch(client: &Client, change: Value) {
    registrations(client)
        .patch(
            "v1beta1.metrics.k8s.io",
            &PatchParams::default(),
            &Patch::Merge(&change),
        )
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_goes_leaves_discovery_and_returns() {
    let cluster = Cluster::start().await;
    let client = &cluster.client;
    let extension = Extension::start(client).await;
    extension.register(client).await;
    available(client, "Passed").await;
    assert_eq!(groups(client).await.last().unwrap(), "metrics.k8s.io");
    let address = extension.address;
    drop(extension);
    let (code, message) = get(client, PODS).await.unwrap_err();
    assert_eq!(code, 503, "{message}");
    available(client, "FailedDiscoveryCheck").await;
    assert!(!groups(client).await.contains(&"metrics.k8s.io".to_owned()));
    // A namespace can still be deleted: nothing in it can be of a group that is gone.
    let namespaces: kube::Api<k8s_openapi::api::core::v1::Namespace> =
        kube::Api::all(client.clone());
    let shop = serde_json::from_value(json!({"metadata": {"name": "shop"}})).unwrap();
    namespaces.create(&Default::default(), &shop).await.unwrap();
    namespaces
        .delete("shop", &DeleteParams::default())
        .await
        .unwrap();
    support::eventually("the namespace is gone", || async {
        match namespaces.get_opt("shop").await.unwrap() {
            None => Ok(()),
            Some(namespace) => Err(namespace),
        }
    })
    .await;

    let again = Extension::start_at(client, address).await;
    let bundle = again.registration()["spec"]["caBundle"].clone();
    patch(client, json!({"spec": {"caBundle": bundle}})).await;
    available(client, "Passed").await;
    get(client, PODS).await.unwrap();
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_groups_cannot_be_taken_over() {
    let cluster = Cluster::start().await;
    let client = &cluster.client;
    let extension = Extension::start(client).await;
    create_service(client).await;
    let mut registration = extension.registration();
    registration["metadata"]["name"] = json!("v1.apps");
    registration["spec"]["group"] = json!("apps");
    registration["spec"]["version"] = json!("v1");
    create_registration(client, registration).await;
    let deployments = get(client, "/apis/apps/v1/deployments").await.unwrap();
    assert_eq!(deployments["kind"], "DeploymentList");
    assert!(extension.seen().is_empty());
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_shows_metrics_and_survives_their_loss() {
    let cluster = Cluster::start().await.with_node().await;
    let kubectl = Kubectl(&cluster);
    let extension = Extension::start(&cluster.client).await;
    extension.register(&cluster.client).await;
    available(&cluster.client, "Passed").await;
    let listed = kubectl.run("get apiservices", "").await;
    assert!(
        listed
            .starts_with("NAME                     SERVICE                      AVAILABLE   AGE\n"),
        "{listed}"
    );
    assert!(
        row(&listed, "v1beta1")
            .starts_with("v1beta1.metrics.k8s.io kube-system/metrics-server True "),
        "{listed}"
    );
    kubectl
        .run(
            "wait --for=condition=Available apiservice/v1beta1.metrics.k8s.io --timeout=10s",
            "",
        )
        .await;
    let raw = kubectl.run(&format!("get --raw {PODS}"), "").await;
    assert!(raw.contains("PodMetricsList"), "{raw}");
    let top = kubectl.run("top pods -A", "").await;
    assert_eq!(row(&top, "shop"), "shop web-1 23m 64Mi");
    let top = kubectl.run("top nodes", "").await;
    assert_eq!(
        row(&top, support::NODE),
        format!("{} 640m 1% 8192Mi 12%", support::NODE)
    );
    let resources = kubectl.run("api-resources", "").await;
    assert!(resources.contains("PodMetrics"), "{resources}");
    // The short form still means the core resource.
    assert!(kubectl.run("get nodes", "").await.contains("VERSION"));

    drop(extension);
    available(&cluster.client, "FailedDiscoveryCheck").await;
    let listed = kubectl.run("get apiservices", "").await;
    assert!(listed.contains("False (FailedDiscoveryCheck)"), "{listed}");
    kubectl.run("get nodes", "").await;
    kubectl.run("api-resources --cached=false", "").await;
    let refused = kubectl.fails("top pods -A").await;
    assert!(
        refused.contains("Metrics API not available") || refused.contains("ServiceUnavailable"),
        "{refused}"
    );
    let raw = kubectl.fails(&format!("get --raw {PODS}")).await;
    assert!(
        raw.contains("ServiceUnavailable") && raw.contains("cannot be reached"),
        "{raw}"
    );
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_with_endpoints_leads_to_one_of_them() {
    let cluster = Cluster::start().await;
    let client = &cluster.client;
    let extension = Extension::start(client).await;
    let kubectl = Kubectl(&cluster);
    let port = extension.address.port();
    let manifest = format!(
        r#"
apiVersion: v1
kind: Service
metadata: {{name: metrics-server, namespace: kube-system}}
spec: {{ports: [{{name: https, port: 443, targetPort: {port}}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: metrics-server-1
  namespace: kube-system
  labels: {{kubernetes.io/service-name: metrics-server}}
addressType: IPv4
ports: [{{name: https, port: {port}}}]
endpoints: [{{addresses: [127.0.0.1], conditions: {{ready: true}}}}]
"#
    );
    kubectl.run("apply -f FILE", &manifest).await;
    create_registration(client, registration(443, &extension.ca_pem)).await;
    available(client, "Passed").await;
    get(client, PODS).await.unwrap();
    cluster.stop().await;
}
