//! TLS of the agents' endpoint, from PEM files.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};

use super::ConfigError;
use crate::cli::RunArgs;
use crate::cluster::chain;

/// A client that does not finish its handshake is not waited for.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// `None` when no TLS was asked for.
pub(super) fn load(args: &RunArgs) -> Result<Option<ServerTlsConfig>, ConfigError> {
    let incomplete = |given, missing| Err(ConfigError::IncompleteTls { given, missing });
    let (cert, key) = match (&args.tls_cert, &args.tls_key, &args.tls_client_ca) {
        (None, None, None) => return Ok(None),
        (Some(cert), Some(key), _) => (cert, key),
        (Some(_), None, _) => return incomplete("--tls-cert", "--tls-key"),
        (None, Some(_), _) => return incomplete("--tls-key", "--tls-cert"),
        (None, None, Some(_)) => return incomplete("--tls-client-ca", "--tls-cert"),
    };
    let identity = Identity::from_pem(read("--tls-cert", cert)?, read("--tls-key", key)?);
    let mut tls = ServerTlsConfig::new()
        .identity(identity)
        .timeout(HANDSHAKE_TIMEOUT);
    if let Some(ca) = &args.tls_client_ca {
        tls = tls.client_ca_root(Certificate::from_pem(read("--tls-client-ca", ca)?));
    }
    // Only for what it says about the files; the real one is built when serving starts.
    match Server::builder().tls_config(tls.clone()) {
        Ok(_) => Ok(Some(tls)),
        Err(error) => Err(ConfigError::UnusableTls {
            files: named_files(args),
            problem: chain(&error),
        }),
    }
}

fn named_files(args: &RunArgs) -> String {
    let named = [
        ("--tls-cert", &args.tls_cert),
        ("--tls-key", &args.tls_key),
        ("--tls-client-ca", &args.tls_client_ca),
    ];
    let given = named
        .iter()
        .filter_map(|(option, path)| Some(format!("{option} {}", path.as_ref()?.display())));
    given.collect::<Vec<_>>().join(", ")
}

fn read(option: &'static str, path: &Path) -> Result<Vec<u8>, ConfigError> {
    fs::read(path).map_err(|source| ConfigError::TlsFile {
        option,
        path: path.to_owned(),
        source,
    })
}
