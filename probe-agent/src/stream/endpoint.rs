//! The scaler's address and the certificates to talk to it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity, Uri};

use super::trouble::causes;

/// A peer that vanished without closing the connection is noticed within twice this.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// PEM files for TLS.
#[derive(Clone, Debug, Default)]
pub struct TlsFiles {
    /// The authority that signed the scaler's certificate.
    pub ca: Option<PathBuf>,
    /// This agent's certificate, when the scaler asks for one.
    pub certificate: Option<PathBuf>,
    /// The key of that certificate.
    pub key: Option<PathBuf>,
}

/// The scaler cannot be addressed as asked.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// The URL is none.
    #[error(
        "the scaler's address {url:?} is not a URL: {why}; expected http://HOST:PORT or https://HOST:PORT"
    )]
    Url {
        /// As it was given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// TLS files and a URL without TLS, or the reverse.
    #[error("{0}")]
    TlsMismatch(&'static str),
    /// A file that cannot be read.
    #[error("cannot read {path}: {source}; check the --tls-* options")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Certificates that TLS refuses.
    #[error("the --tls-* files are not usable: {}; expected PEM: --tls-key of that very --tls-cert, and --tls-ca", causes(.0))]
    Certificates(tonic::transport::Error),
}

/// One address as it was given, checked, with what it takes to talk to a scaler there.
#[derive(Clone, Debug)]
pub struct Address {
    uri: Uri,
    tls: Option<ClientTlsConfig>,
}

impl Address {
    /// Checks the address and reads the certificates; connects to nothing yet.
    ///
    /// # Errors
    /// Names what does not fit together.
    pub fn parse(url: &str, files: &TlsFiles) -> Result<Self, EndpointError> {
        let uri = parse(url)?;
        let tls = tls(&uri, files)?;
        let address = Self { uri, tls };
        // For what TLS says about the files.
        address.endpoint(address.uri.clone())?;
        Ok(address)
    }

    /// The host and port to resolve.
    pub fn host_and_port(&self) -> (&str, u16) {
        let host = self.uri.host().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        (bare, self.uri.port_u16().unwrap_or_default())
    }

    /// The scaler at `authority` (HOST:PORT), which must prove that it is the one of this address:
    /// its certificate is compared with the name that was given, not with what was resolved or told.
    ///
    /// # Errors
    /// When `authority` is none.
    pub fn at(&self, authority: &str) -> Result<Endpoint, EndpointError> {
        let scheme = self.uri.scheme_str().unwrap_or("http");
        self.endpoint(parse(&format!("{scheme}://{authority}"))?)
    }

    fn endpoint(&self, uri: Uri) -> Result<Endpoint, EndpointError> {
        let endpoint = Endpoint::from(uri)
            .connect_timeout(CONNECT_WITHIN)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .keep_alive_while_idle(true);
        match &self.tls {
            None => Ok(endpoint),
            Some(tls) => {
                let (host, _) = self.host_and_port();
                endpoint
                    .tls_config(tls.clone().domain_name(host))
                    .map_err(EndpointError::Certificates)
            }
        }
    }
}

fn tls(uri: &Uri, files: &TlsFiles) -> Result<Option<ClientTlsConfig>, EndpointError> {
    let secure = uri.scheme_str() == Some("https");
    match (secure, &files.ca, &files.certificate, &files.key) {
        (false, None, None, None) => Ok(None),
        (false, ..) => Err(EndpointError::TlsMismatch(
            "--tls-* options need an https:// address of the scaler",
        )),
        (true, None, ..) => Err(EndpointError::TlsMismatch(
            "an https:// scaler needs --tls-ca FILE, the authority that signed its certificate",
        )),
        (true, _, Some(_), None) | (true, _, None, Some(_)) => Err(EndpointError::TlsMismatch(
            "--tls-cert and --tls-key go together: give both or none",
        )),
        (true, Some(ca), certificate, key) => {
            let mut config =
                ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(ca)?));
            if let (Some(certificate), Some(key)) = (certificate, key) {
                config = config.identity(Identity::from_pem(read(certificate)?, read(key)?));
            }
            Ok(Some(config))
        }
    }
}

fn parse(url: &str) -> Result<Uri, EndpointError> {
    let bad = |why: String| EndpointError::Url {
        url: url.to_owned(),
        why,
    };
    let uri: Uri = url.parse().map_err(|error| bad(format!("{error}")))?;
    match uri.scheme_str() {
        Some("http" | "https") => {}
        Some(scheme) => return Err(bad(format!("{scheme}:// is not spoken here"))),
        None => return Err(bad("it has no scheme".to_owned())),
    }
    match uri.port_u16() {
        Some(_) => Ok(uri),
        None => Err(bad("it has no port".to_owned())),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, EndpointError> {
    fs::read(path).map_err(|source| EndpointError::File {
        path: path.to_path_buf(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(url: &str, tls: &TlsFiles) -> String {
        Address::parse(url, tls).expect_err("refused").to_string()
    }

    #[test]
    fn good_addresses_pass() {
        Address::parse("http://127.0.0.1:9100", &TlsFiles::default()).expect("plain");
        Address::parse("http://scaler.viperscale.svc:9100/", &TlsFiles::default()).expect("a name");
    }

    #[test]
    fn what_was_resolved_takes_the_place_of_the_name() {
        let address = Address::parse("http://scaler:9100", &TlsFiles::default()).expect("a name");
        assert_eq!(address.host_and_port(), ("scaler", 9100));
        let endpoint = address.at("[fd00::7]:9100").expect("an address");
        assert_eq!(endpoint.uri().to_string(), "http://[fd00::7]:9100/");
        for told in ["", "10.0.0.7", "10.0.0.7:9100/x y"] {
            assert!(address.at(told).is_err(), "{told:?}");
        }
        let v6 = Address::parse("http://[::1]:9100", &TlsFiles::default()).expect("IPv6");
        assert_eq!(v6.host_and_port(), ("::1", 9100));
    }

    #[test]
    fn bad_addresses_say_what_is_expected() {
        for (url, complaint) in [
            ("127.0.0.1:9100", "http://HOST:PORT"),
            ("scaler", "no scheme"),
            ("http://scaler", "no port"),
            ("ftp://scaler:21", "ftp:// is not spoken"),
            ("http://:9100 ", "not a URL"),
            ("", "not a URL"),
        ] {
            let error = error(url, &TlsFiles::default());
            assert!(error.contains(complaint), "{url:?}: {error}");
        }
    }

    #[test]
    fn tls_options_must_fit_together() {
        let with = |ca: Option<&str>, certificate: Option<&str>| TlsFiles {
            ca: ca.map(PathBuf::from),
            certificate: certificate.map(PathBuf::from),
            key: None,
        };
        assert!(error("https://s:1", &with(None, None)).contains("--tls-ca"));
        assert!(error("http://s:1", &with(Some("ca"), None)).contains("https://"));
        assert!(error("https://s:1", &with(Some("ca"), Some("c"))).contains("both or none"));
        assert!(error("https://s:1", &with(Some("/nowhere/ca"), None)).contains("/nowhere/ca"));
    }
}
