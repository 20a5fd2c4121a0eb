use super::problems::{ASKED_TO_WAIT, LONGEST_WAIT};
use super::*;
use kube::core::Status;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};

fn api_error(code: u16, message: &str) -> kube::Error {
    kube::Error::Api(Status::failure(message, "Reason").with_code(code).boxed())
}

#[test]
fn forbidden_names_verb_resource_and_the_rule_to_add() {
    let text = explain("patch", "deployments/scale", &api_error(403, "no"));
    assert_eq!(
        text,
        "forbidden: may not patch deployments/scale (no); grant it to the scaler in a \
         ClusterRole: {apiGroups: [\"apps\"], resources: [\"deployments/scale\"], \
         verbs: [\"get\", \"patch\"]}"
    );
    assert!(explain("list", "pods", &api_error(403, "")).contains("apiGroups: [\"\"]"));
    let text = explain("patch", "pods", &api_error(403, ""));
    assert!(text.contains("\"watch\", \"patch\"]"), "{text}");
    let text = explain("list", "horizontalpodautoscalers", &api_error(403, ""));
    assert!(text.contains("apiGroups: [\"autoscaling\"]"), "{text}");
}

#[test]
fn only_what_may_pass_is_tried_again() {
    assert!(is_transient(&api_error(503, "")));
    assert!(is_transient(&api_error(429, "")));
    assert!(!is_transient(&api_error(403, "")));
    assert!(!is_transient(&api_error(409, "")));
}

#[test]
fn unauthorized_says_what_is_not_valid() {
    let text = explain("list", "pods", &api_error(401, "who?"));
    assert!(text.starts_with("unauthorized (who?): the token"), "{text}");
}

async fn complaint_about(server: SocketAddr) -> String {
    let cluster = format!("{{name: c, cluster: {{server: 'http://{server}'}}}}");
    let context = "{name: c, context: {cluster: c, user: u}}";
    let mut kubeconfig = tempfile::NamedTempFile::new().unwrap();
    write!(
        kubeconfig,
        "{{apiVersion: v1, kind: Config, current-context: c, clusters: [{cluster}], \
         contexts: [{context}], users: [{{name: u, user: {{}}}}]}}"
    )
    .unwrap();
    let patience = Duration::from_millis(700);
    let connected = connect_within(patience, Some(kubeconfig.path())).await;
    connected.err().unwrap().to_string()
}

/// Answers one request with "forbidden", as RBAC does.
fn forbid(listener: TcpListener) {
    let (mut client, _) = listener.accept().unwrap();
    let _ = client.read(&mut [0; 4096]).unwrap();
    let status = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden",
        "message":"User \"nobody\" cannot list resource \"deployments\"","code":403}"#;
    write!(
        client,
        "HTTP/1.1 403 Forbidden\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{status}",
        status.len()
    )
    .unwrap();
}

#[tokio::test]
async fn a_server_that_forbids_is_not_asked_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || forbid(listener));
    let text = complaint_about(address).await;
    server.join().unwrap();
    let start = format!("API server http://{address}/: forbidden: may not list deployments (User");
    assert!(text.starts_with(&start), "{text}");
    assert!(
        text.contains("grant it to the scaler in a ClusterRole"),
        "{text}"
    );
}

#[tokio::test]
async fn a_dead_or_silent_server_is_not_waited_for_without_end() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let text = complaint_about(address).await;
    let start = format!("API server http://{address}/ does not answer: silence for 700ms; ");
    assert!(text.starts_with(&start), "{text}");
    drop(silent);
    let text = complaint_about(address).await;
    assert!(text.contains("Connection refused"), "{text}");
    assert!(text.ends_with("right address and CA?"), "{text}");
}

#[tokio::test]
async fn a_missing_kubeconfig_is_named_with_its_option() {
    let error = connect(Some(Path::new("/nowhere/kubeconfig")))
        .await
        .err()
        .unwrap();
    assert!(
        error
            .to_string()
            .starts_with("--kubeconfig /nowhere/kubeconfig: "),
        "{error}"
    );
}

#[tokio::test]
async fn nothing_is_repeated_or_awaited_for_ever_behind_our_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kubeconfig");
    let text = "apiVersion: v1
kind: Config
clusters: [{name: a, cluster: {server: 'https://127.0.0.1:1'}}]
users: [{name: a, user: {token: b}}]
contexts: [{name: a, context: {cluster: a, user: a}}]
current-context: a
";
    std::fs::write(&path, text).unwrap();
    let config = load_config(Some(&path)).await.unwrap();
    assert!(!config.default_retry, "it would not ask who leads");
    assert_eq!(config.read_timeout, Some(READ_TIMEOUT));
    let watch = Duration::from_secs(WATCH_SECONDS.into());
    assert!(watch < READ_TIMEOUT, "a silent watch is not a dead one");
}

#[test]
fn a_server_is_left_alone_for_as_long_as_it_asks_but_not_for_ever() {
    let asks = |code: u16, seconds: u32| {
        let status = serde_json::json!({
            "status": "Failure", "message": "busy", "reason": "TooManyRequests", "code": code,
            "details": {"retryAfterSeconds": seconds},
        });
        let status: Status = serde_json::from_value(status).unwrap();
        retry_after(&kube::Error::Api(status.boxed()))
    };
    assert_eq!(asks(429, 3), Duration::from_secs(3));
    assert_eq!(asks(503, 2), Duration::from_secs(2));
    assert_eq!(asks(429, 3600), LONGEST_WAIT);
    assert_eq!(asks(500, 0), Duration::ZERO);
    assert_eq!(
        retry_after(&api_error(429, "")),
        ASKED_TO_WAIT,
        "as API priority says it"
    );
}

#[test]
fn a_lease_needs_a_role_of_its_own() {
    let text = explain("update", "leases", &api_error(403, "no"));
    assert!(
        text.ends_with(
            "grant it to the scaler in a Role: {apiGroups: [\"coordination.k8s.io\"], resources: \
             [\"leases\"], verbs: [\"get\", \"create\", \"update\"]}"
        ),
        "{text}"
    );
}
