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
