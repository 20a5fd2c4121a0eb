//! Who may ask: whoever holds a certificate of the API server's front proxy.
//!
//! The API server authenticates and authorises a request before it proxies it here, and proves who
//! it is with a certificate. Which authority signs that certificate, and for which names, is
//! published in a ConfigMap that every extension server reads.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::Api;
use kube::runtime::{WatchStreamExt as _, watcher};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{CertificateError, RootCertStore};
use tokio::sync::watch;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// Where the ConfigMap lies, in every cluster.
pub(crate) const NAMESPACE: &str = "kube-system";
/// Its name.
pub(crate) const CONFIG_MAP: &str = "extension-apiserver-authentication";

/// What the ConfigMap says; `None` while there is none that can be used.
pub(crate) type TrustNow = watch::Receiver<Option<Arc<Trust>>>;

/// The authority of front-proxy certificates, and the names that are accepted.
#[derive(Debug)]
pub(crate) struct Trust {
    verifier: Arc<dyn ClientCertVerifier>,
    /// Common names; empty for any.
    names: Vec<String>,
    /// Headers of which one carries the user's name.
    user_headers: Vec<String>,
}

/// Why the ConfigMap cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum TrustError {
    /// A key is missing or cannot be read.
    #[error("{key} of ConfigMap {NAMESPACE}/{CONFIG_MAP} {problem}")]
    Key {
        /// The key.
        key: &'static str,
        /// What is wrong with its value.
        problem: String,
    },
}

/// Why a client is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// 401.
    #[error("the API server has not published its front proxy's authority")]
    NoAuthority,
    /// 401.
    #[error("a certificate of the API server's front proxy is required")]
    NoCertificate,
    /// 401.
    #[error("the certificate is not of the API server's front proxy: {0}")]
    Untrusted(&'static str),
    /// 401.
    #[error("the front proxy names no user")]
    NoUser,
    /// 403.
    #[error("the certificate's name is not among those allowed for the front proxy")]
    Name,
}

impl Trust {
    /// Reads the ConfigMap's data.
    ///
    /// # Errors
    /// When the authority is missing or is none.
    pub(super) fn of(data: &BTreeMap<String, String>) -> Result<Self, TrustError> {
        const CA: &str = "requestheader-client-ca-file";
        let wrong = |key, problem: String| TrustError::Key { key, problem };
        let pem = data.get(CA).ok_or_else(|| {
            wrong(
                CA,
                "is missing: this control plane proxies no API".to_owned(),
            )
        })?;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let certificate = certificate.map_err(|error| wrong(CA, error.to_string()))?;
            roots
                .add(certificate)
                .map_err(|error| wrong(CA, error.to_string()))?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|error| wrong(CA, error.to_string()))?;
        let names = |key: &'static str| match data.get(key) {
            None => Ok(Vec::new()),
            Some(text) => serde_json::from_str::<Vec<String>>(text)
                .map_err(|error| wrong(key, format!("is not a list of names: {error}"))),
        };
        Ok(Self {
            verifier,
            names: names("requestheader-allowed-names")?,
            user_headers: names("requestheader-username-headers")?,
        })
    }

    /// Decides about a request of a client that has proved to hold the first certificate's key.
    pub(super) fn admit(
        &self,
        certificates: &[CertificateDer<'_>],
        headers: &http::HeaderMap,
        now: UnixTime,
    ) -> Result<(), Refusal> {
        let (own, intermediates) = certificates.split_first().ok_or(Refusal::NoCertificate)?;
        self.verifier
            .verify_client_cert(own, intermediates, now)
            .map_err(|error| Refusal::Untrusted(reason(&error)))?;
        if !self.names.is_empty() && !self.names.contains(&common_name(own).unwrap_or_default()) {
            return Err(Refusal::Name);
        }
        let names_user = |header: &String| headers.get(header).is_some_and(|user| !user.is_empty());
        if !self.user_headers.is_empty() && !self.user_headers.iter().any(names_user) {
            return Err(Refusal::NoUser);
        }
        Ok(())
    }
}

/// Short and free of what the client sent.
fn reason(error: &rustls::Error) -> &'static str {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "signed by another authority"
        }
        rustls::Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => "expired",
        _ => "not valid",
    }
}

fn common_name(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let name = certificate.subject().iter_common_name().next()?;
    name.as_str().ok().map(str::to_owned)
}

/// Follows the ConfigMap for as long as somebody holds the receiver.
pub(super) async fn follow(client: kube::Client, trust: watch::Sender<Option<Arc<Trust>>>) {
    let api: Api<ConfigMap> = Api::namespaced(client, NAMESPACE);
    let one = watcher::Config::default().fields(&format!("metadata.name={CONFIG_MAP}"));
    let events = watcher(api, one).default_backoff();
    futures::pin_mut!(events);
    while let Some(event) = events.next().await {
        match event {
            Ok(watcher::Event::Apply(map) | watcher::Event::InitApply(map)) => {
                let read = Trust::of(&map.data.unwrap_or_default());
                let read = read.inspect_err(|error| {
                    tracing::warn!(%error, "metrics are served to nobody");
                });
                trust.send_replace(read.ok().map(Arc::new));
            }
            Ok(watcher::Event::Delete(_)) => {
                tracing::warn!("the front proxy's authority is gone: metrics are served to nobody");
                trust.send_replace(None);
            }
            Ok(watcher::Event::Init | watcher::Event::InitDone) => {}
            Err(error) => {
                tracing::warn!(%error, "the front proxy's authority is not known yet");
            }
        }
    }
}
