//! A small extension server: HTTPS, front-proxy authentication, and a few paths of
//! `metrics.k8s.io/v1beta1`.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::response::Response;
use axum::routing::{any, get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, StatusCode};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, PostParams};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

pub(crate) const GROUP_VERSION: &str = "metrics.k8s.io/v1beta1";
/// What the serving certificate is valid for.
const HOST: &str = "metrics-server.kube-system.svc";

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) uri: String,
    pub(crate) headers: HeaderMap,
}

#[derive(Clone, Default)]
struct Shared {
    seen: Arc<Mutex<Vec<Seen>>>,
    /// Lets `/stream` go on.
    next: Arc<tokio::sync::Notify>,
    /// `/stream` requests that are being answered.
    streams: Arc<AtomicUsize>,
}

/// Counts one stream for as long as it lives.
struct Streaming(Arc<AtomicUsize>);

impl Streaming {
    fn count(streams: &Arc<AtomicUsize>) -> Self {
        streams.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(streams))
    }
}

impl Drop for Streaming {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A running extension server; dropping it closes its port and its connections.
pub(crate) struct Extension {
    pub(crate) address: SocketAddr,
    /// PEM of the authority behind the serving certificate.
    pub(crate) ca_pem: String,
    shared: Shared,
    stopping: CancellationToken,
}

impl Drop for Extension {
    fn drop(&mut self) {
        self.stopping.cancel();
    }
}

impl Extension {
    /// Serves on a free port, to clients that have the front-proxy certificate only.
    pub(crate) async fn start(client: &Client) -> Self {
        Self::start_at(client, "127.0.0.1:0".parse().unwrap()).await
    }

    pub(crate) async fn start_at(client: &Client, address: SocketAddr) -> Self {
        let (tls, ca_pem) = tls(&request_header_authorities(client).await);
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (shared, stopping) = (Shared::default(), CancellationToken::new());
        let serving = accept(listener, tls, router(shared.clone()));
        let token = stopping.clone();
        tokio::spawn(async move { token.run_until_cancelled(serving).await });
        Self {
            address,
            ca_pem,
            shared,
            stopping,
        }
    }

    /// Requests that were let in, availability checks left out.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        let mut seen = self.shared.seen.lock().unwrap().clone();
        seen.retain(|one| one.headers["x-remote-user"] != "system:kube-aggregator");
        seen
    }

    /// Lets `/stream` send its second piece.
    pub(crate) fn send_more(&self) {
        self.shared.next.notify_one();
    }

    /// `/stream` requests that are being answered.
    pub(crate) fn open_streams(&self) -> usize {
        self.shared.streams.load(Ordering::SeqCst)
    }

    /// Registers it as the node does: behind an `ExternalName` service.
    pub(crate) async fn register(&self, client: &Client) {
        create_service(client).await;
        create_registration(client, self.registration()).await;
    }

    /// The `APIService` object.
    pub(crate) fn registration(&self) -> Value {
        registration(self.address.port(), &self.ca_pem)
    }
}

/// An `APIService` for a server on this port of this machine.
pub(crate) fn registration(port: u16, ca_pem: &str) -> Value {
    json!({
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": "v1beta1.metrics.k8s.io"},
        "spec": {
            "group": "metrics.k8s.io", "version": "v1beta1",
            "service": {"namespace": "kube-system", "name": "metrics-server", "port": port},
            "caBundle": STANDARD.encode(ca_pem),
            "groupPriorityMinimum": 100, "versionPriority": 100,
        },
    })
}

pub(crate) fn registrations(client: &Client) -> Api<DynamicObject> {
    let resource = ApiResource {
        group: "apiregistration.k8s.io".into(),
        version: "v1".into(),
        api_version: "apiregistration.k8s.io/v1".into(),
        kind: "APIService".into(),
        plural: "apiservices".into(),
    };
    Api::all_with(client.clone(), &resource)
}

pub(crate) async fn create_service(client: &Client) {
    let service = serde_json::from_value(json!({
        "metadata": {"name": "metrics-server"},
        "spec": {"type": "ExternalName", "externalName": "localhost"},
    }));
    Api::<k8s_openapi::api::core::v1::Service>::namespaced(client.clone(), "kube-system")
        .create(&PostParams::default(), &service.unwrap())
        .await
        .unwrap();
}

pub(crate) async fn create_registration(client: &Client, registration: Value) {
    let object = serde_json::from_value(registration).unwrap();
    registrations(client)
        .create(&PostParams::default(), &object)
        .await
        .unwrap();
}

/// Waits until the `Available` condition has this reason.
pub(crate) async fn available(client: &Client, reason: &str) -> Value {
    super::eventually(&format!("the APIService is {reason}"), || async {
        let object = registrations(client)
            .get("v1beta1.metrics.k8s.io")
            .await
            .unwrap();
        let condition = object.data["status"]["conditions"][0].clone();
        if condition["reason"] == reason {
            Ok(condition)
        } else {
            Err(condition.to_string())
        }
    })
    .await
}

/// The authorities that vouch for the front proxy, as metrics-server reads them.
async fn request_header_authorities(client: &Client) -> RootCertStore {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "kube-system");
    let map = maps
        .get("extension-apiserver-authentication")
        .await
        .unwrap();
    let pem = map.data.unwrap()["requestheader-client-ca-file"].clone();
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        roots.add(certificate.unwrap()).unwrap();
    }
    roots
}

fn tls(clients: &RootCertStore) -> (TlsAcceptor, String) {
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let serving = CertificateParams::new([HOST.to_owned()]).unwrap();
    let certificate = serving.signed_by(&key, &ca).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(clients.clone().into(), provider.clone());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), ca.pem())
}

async fn accept(listener: TcpListener, tls: TlsAcceptor, router: Router) {
    // Dropped with this future, and all connections with it.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        connections.spawn(connection(stream, tls.clone(), router.clone()));
    }
}

async fn connection(stream: TcpStream, tls: TlsAcceptor, router: Router) {
    let Ok(stream) = tls.accept(stream).await else {
        return;
    };
    let service = TowerToHyperService::new(router);
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

fn router(shared: Shared) -> Router {
    let group = Router::new()
        .route("/", get(discovery))
        .route("/pods", get(pods))
        .route("/nodes", get(nodes))
        .route("/echo", post(|body: Bytes| async { body }))
        .route("/stream", get(stream))
        .route("/redirect", any(redirect))
        .route(
            "/broken",
            get(|| async { StatusCode::INTERNAL_SERVER_ERROR }),
        )
        .layer(DefaultBodyLimit::disable())
        .with_state(shared.clone());
    Router::new()
        .nest(&format!("/apis/{GROUP_VERSION}"), group)
        .layer(axum::middleware::map_request(move |request: Request| {
            let seen = Seen {
                uri: request.uri().to_string(),
                headers: request.headers().clone(),
            };
            shared.seen.lock().unwrap().push(seen);
            std::future::ready(request)
        }))
}

async fn discovery() -> Json<Value> {
    let resource = |name: &str, kind: &str, namespaced: bool| {
        json!({"name": name, "singularName": "", "namespaced": namespaced, "kind": kind,
               "verbs": ["get", "list"]})
    };
    Json(json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": GROUP_VERSION,
        "resources": [resource("nodes", "NodeMetrics", false), resource("pods", "PodMetrics", true)],
    }))
}

fn metrics(kind: &str, mut item: Value) -> Json<Value> {
    item["timestamp"] = json!("2026-01-01T00:00:00Z");
    item["window"] = json!("15s");
    Json(json!({"kind": kind, "apiVersion": GROUP_VERSION, "metadata": {}, "items": [item]}))
}

async fn pods() -> Json<Value> {
    let usage = json!({"cpu": "23m", "memory": "64Mi"});
    metrics(
        "PodMetricsList",
        json!({"metadata": {"name": "web-1", "namespace": "shop"},
               "containers": [{"name": "server", "usage": usage}]}),
    )
}

async fn nodes() -> Json<Value> {
    let usage = json!({"cpu": "640m", "memory": "8Gi"});
    metrics(
        "NodeMetricsList",
        json!({"metadata": {"name": super::NODE}, "usage": usage}),
    )
}

/// Two pieces; the second one when the test says so.
async fn stream(State(shared): State<Shared>) -> Body {
    let streaming = Streaming::count(&shared.streams);
    Body::from_stream(futures::stream::unfold(0, move |sent| {
        let next = shared.next.clone();
        let _ = &streaming;
        async move {
            let piece = match sent {
                0 => "first\n",
                1 => {
                    next.notified().await;
                    "second\n"
                }
                _ => return None,
            };
            Some((Ok::<_, std::convert::Infallible>(piece), sent + 1))
        }
    }))
}

async fn redirect() -> Response {
    Response::builder()
        .status(StatusCode::TEMPORARY_REDIRECT)
        .header("location", "https://127.0.0.1:1/elsewhere")
        .body(Body::empty())
        .unwrap()
}
