//! The API server's front proxy, as far as an extension server sees it: an authority published in
//! a ConfigMap, and clients with certificates that it has or has not signed.

use std::sync::Arc;

use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;
use kube::Api;
use kube::api::{Patch, PatchParams};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio_rustls::TlsConnector;

use crate::support::Cluster;

/// Who a client shows itself as.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Identity {
    FrontProxy,
    /// Of the right authority, with a name that is not allowed.
    OtherName,
    /// With the right name, of another authority.
    OtherAuthority,
    /// Without a certificate.
    None,
}

pub(crate) struct FrontProxy {
    ca: CertifiedIssuer<'static, KeyPair>,
    other: CertifiedIssuer<'static, KeyPair>,
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.distinguished_name
        .push(DnType::CommonName, "test-front-proxy-ca");
    CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap()
}

impl FrontProxy {
    /// Makes an authority and publishes it in place of whatever the cluster has.
    pub(crate) async fn install(cluster: &Cluster) -> Self {
        let proxy = Self {
            ca: authority(),
            other: authority(),
        };
        let maps: Api<ConfigMap> = Api::namespaced(cluster.client.clone(), "kube-system");
        let map = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "extension-apiserver-authentication"},
            "data": {
                "requestheader-client-ca-file": proxy.ca.pem(),
                "requestheader-allowed-names": r#"["front-proxy-client"]"#,
                "requestheader-username-headers": r#"["X-Remote-User"]"#,
            },
        });
        let params = PatchParams::apply("test").force();
        maps.patch(
            "extension-apiserver-authentication",
            &params,
            &Patch::Apply(map),
        )
        .await
        .unwrap();
        proxy
    }

    pub(crate) fn connect(&self, api_service: &APIService, identity: Identity) -> Client {
        let spec = api_service.spec.clone().unwrap();
        let service = spec.service.unwrap();
        let mut roots = RootCertStore::empty();
        let bundle = spec.ca_bundle.unwrap().0;
        roots
            .add(CertificateDer::from_pem_slice(&bundle).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let signed = |name: &str, ca: &CertifiedIssuer<'static, KeyPair>| {
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.distinguished_name.push(DnType::CommonName, name);
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            let key = KeyPair::generate().unwrap();
            let certificate = params.signed_by(&key, ca).unwrap().der().clone();
            let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
            (vec![certificate], key)
        };
        let shown = match identity {
            Identity::FrontProxy => Some(signed("front-proxy-client", &self.ca)),
            Identity::OtherName => Some(signed("somebody", &self.ca)),
            Identity::OtherAuthority => Some(signed("front-proxy-client", &self.other)),
            Identity::None => None,
        };
        let config = match shown {
            Some((chain, key)) => builder.with_client_auth_cert(chain, key).unwrap(),
            None => builder.with_no_client_auth(),
        };
        Client {
            connector: TlsConnector::from(Arc::new(config)),
            port: u16::try_from(service.port.unwrap()).unwrap(),
            host: format!(
                "{}.{}.svc",
                service.name.unwrap(),
                service.namespace.unwrap()
            ),
            user: Some("admin"),
        }
    }
}

/// Opens a connection for each request.
pub(crate) struct Client {
    connector: TlsConnector,
    port: u16,
    host: String,
    user: Option<&'static str>,
}

impl Client {
    pub(crate) fn without_user(mut self) -> Self {
        self.user = None;
        self
    }

    /// Status code and JSON; null for a body that is none.
    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        let stream = tokio::net::TcpStream::connect(("127.0.0.1", self.port))
            .await
            .unwrap();
        let name = self.host.clone().try_into().unwrap();
        let stream = self.connector.connect(name, stream).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        let mut request = http::Request::get(path).header("host", &self.host);
        if let Some(user) = self.user {
            request = request.header("X-Remote-User", user);
        }
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        let response = sender.send_request(request).await.unwrap();
        let code = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (code, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }
}
