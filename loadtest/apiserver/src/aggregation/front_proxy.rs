//! Who we are to extension servers: the front-proxy certificate and the authority behind it.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use serde_json::{Value, json};

use super::registration::{Trust, certificates};
use super::unreachable::Unreachable;
use crate::tls::TlsError;

/// Common name of our certificate, the only one that extension servers shall accept.
const NAME: &str = "front-proxy-client";
/// The header that names the caller.
pub(super) const USER_HEADER: &str = "x-remote-user";
/// The header that names a group of the caller, once per group.
pub(super) const GROUP_HEADER: &str = "x-remote-group";
/// What all headers about callers begin with.
pub(super) const HEADER_PREFIX: &str = "x-remote-";

/// A client certificate of one run and the authority that signed it. The authority's key is
/// dropped, so there is no second certificate that extension servers would believe.
pub(crate) struct FrontProxy {
    ca_pem: String,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl std::fmt::Debug for FrontProxy {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("FrontProxy(..)")
    }
}

impl FrontProxy {
    /// Makes the authority and the certificate.
    pub(crate) fn generate() -> Result<Self, TlsError> {
        let mut ca = CertificateParams::new(Vec::new())?;
        ca.distinguished_name
            .push(DnType::CommonName, "front-proxy-ca");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate()?)?;

        let mut client = CertificateParams::new(Vec::new())?;
        client.distinguished_name.push(DnType::CommonName, NAME);
        client.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate()?;
        let certificate = client.signed_by(&key, &ca)?;
        Ok(Self {
            ca_pem: ca.pem(),
            chain: vec![certificate.der().clone()],
            key: PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
            provider: Arc::new(rustls::crypto::ring::default_provider()),
        })
    }

    /// The `data` of ConfigMap `extension-apiserver-authentication`, as in clusters of kubeadm.
    pub(crate) fn published(&self, client_ca_pem: &str) -> Value {
        let list = |entry: &str| json!([entry]).to_string();
        json!({
            "client-ca-file": client_ca_pem,
            "requestheader-allowed-names": list(NAME),
            "requestheader-client-ca-file": self.ca_pem,
            "requestheader-extra-headers-prefix": list("X-Remote-Extra-"),
            "requestheader-group-headers": list("X-Remote-Group"),
            "requestheader-username-headers": list("X-Remote-User"),
        })
    }

    /// How to speak TLS with an extension server.
    pub(super) fn tls(&self, trust: &Trust) -> Result<ClientConfig, Unreachable> {
        let builder = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()?;
        let builder = match trust {
            Trust::Bundle(pem) => builder.with_root_certificates(roots(pem)?),
            Trust::Anything => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(AnyCertificate(Arc::clone(
                    &self.provider,
                )))),
            Trust::Nothing => return Err(Unreachable::NoTrust),
        };
        let mut config = builder.with_client_auth_cert(self.chain.clone(), self.key.clone_key())?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

fn roots(pem: &[u8]) -> Result<RootCertStore, Unreachable> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem).map_err(Unreachable::Bundle)? {
        roots
            .add(certificate)
            .map_err(|error| Unreachable::Bundle(error.to_string()))?;
    }
    Ok(roots)
}

/// Accepts every certificate whose key the server has: `insecureSkipTLSVerify`.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
