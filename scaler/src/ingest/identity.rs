//! Whose certificate an agent has shown.
//!
//! A node agent is believed about the pods of its own node (see [`super::validate`]), and which node
//! that is, it says itself. Where agents must show certificates, the certificate has to say the
//! same: then an agent that was broken into can lie about its own node only.

use thiserror::Error;
use tonic::transport::CertificateDer;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Names that are repeated in a message; a certificate may have hundreds.
const NAMES_SHOWN: usize = 3;

/// Whom a stream comes from, as far as TLS can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Identity {
    /// Agents are not asked for certificates: anyone may be any node.
    Unproven,
    /// A certificate of the agents' CA, for these names.
    Proven(Vec<String>),
    /// A certificate of the agents' CA that cannot be understood.
    Unreadable(String),
}

/// Why an agent is not the node that it says it is.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum NotThatNode {
    #[error(
        "the client certificate is for {names}, not for node {node:?}; expected a certificate whose \
         common name or DNS name is the node's name: check this agent's --tls-cert and --node-name"
    )]
    OtherName { node: String, names: String },
    #[error("the client certificate cannot be read: {0}; check this agent's --tls-cert")]
    Unreadable(String),
}

impl Identity {
    /// From the certificates that a client has shown, its own first. TLS has verified them already:
    /// where a CA is demanded, a client without one does not get here.
    pub(super) fn of(certificates: Option<&[CertificateDer<'_>]>) -> Self {
        let Some(certificate) = certificates.and_then(<[_]>::first) else {
            return Identity::Unproven;
        };
        match names(certificate) {
            Ok(names) => Identity::Proven(names),
            Err(problem) => Identity::Unreadable(problem),
        }
    }

    /// Whether this may be `node`. Names are compared exactly: a wildcard is no node.
    pub(super) fn check(&self, node: &str) -> Result<(), NotThatNode> {
        match self {
            Identity::Unproven => Ok(()),
            Identity::Proven(names) if names.iter().any(|name| name == node) => Ok(()),
            Identity::Proven(names) => Err(NotThatNode::OtherName {
                node: node.to_owned(),
                names: shown(names),
            }),
            Identity::Unreadable(problem) => Err(NotThatNode::Unreadable(problem.clone())),
        }
    }
}

/// The common names and DNS names of a certificate.
fn names(certificate: &[u8]) -> Result<Vec<String>, String> {
    let (_, certificate) =
        X509Certificate::from_der(certificate).map_err(|error| error.to_string())?;
    let common_names = certificate.subject().iter_common_name();
    let mut names: Vec<String> = common_names
        .filter_map(|name| name.as_str().ok())
        .map(str::to_owned)
        .collect();
    let alternatives = certificate
        .subject_alternative_name()
        .map_err(|error| error.to_string())?;
    let alternatives = alternatives.iter().flat_map(|san| &san.value.general_names);
    names.extend(alternatives.filter_map(|name| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        _ => None,
    }));
    Ok(names)
}

fn shown(names: &[String]) -> String {
    if names.is_empty() {
        return "nobody (it has no common name and no DNS name)".to_owned();
    }
    let first: Vec<_> = names
        .iter()
        .take(NAMES_SHOWN)
        .map(|name| format!("{name:?}"))
        .collect();
    match names.len().saturating_sub(NAMES_SHOWN) {
        0 => first.join(", "),
        others => format!("{} and {others} others", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};

    fn certificate(common_name: Option<&str>, dns_names: &[&str]) -> Identity {
        let dns_names: Vec<String> = dns_names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(dns_names).unwrap();
        params.distinguished_name = DistinguishedName::new();
        if let Some(name) = common_name {
            params.distinguished_name.push(DnType::CommonName, name);
        }
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        Identity::of(Some(&[certificate.der().clone()]))
    }

    #[test]
    fn the_common_name_or_a_dns_name_is_the_node() {
        assert_eq!(certificate(Some("n1"), &[]).check("n1"), Ok(()));
        assert_eq!(
            certificate(Some("agent"), &["n0", "n1"]).check("n1"),
            Ok(())
        );
        assert_eq!(Identity::of(None).check("n1"), Ok(()), "nobody is asked");
    }

    #[test]
    fn nothing_else_is() {
        for identity in [
            certificate(Some("n2"), &["n3"]),
            certificate(Some("N1"), &["*.n1", "n1.local"]),
            certificate(None, &["*"]),
            certificate(None, &[]),
            Identity::of(Some(&[CertificateDer::from(vec![1, 2, 3])])),
        ] {
            assert!(identity.check("n1").is_err(), "{identity:?}");
        }
    }

    #[test]
    fn the_refusal_names_both_and_what_to_check() {
        let error = certificate(Some("n2"), &["a", "b", "c", "d"]).check("n1");
        assert_eq!(
            error.unwrap_err().to_string(),
            "the client certificate is for \"n2\", \"a\", \"b\" and 2 others, not for node \"n1\"; \
             expected a certificate whose common name or DNS name is the node's name: check this \
             agent's --tls-cert and --node-name"
        );
    }
}
