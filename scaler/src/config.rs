//! The checked configuration of `scaler run`: what exists as a value of these types is usable.

use std::fs;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};

use crate::cli::{LogFormat, RunArgs};
use crate::cluster::chain;

/// Reports faster than this cost more than they tell; slower ones are no autoscaling.
const INTERVAL_RANGE: std::ops::RangeInclusive<f64> = 0.1..=60.0;
/// A client that does not finish its handshake is not waited for.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Everything `scaler run` needs, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// Directory of policy files; exists.
    pub policies: PathBuf,
    /// The kubeconfig named by the user, if any.
    pub kubeconfig: Option<PathBuf>,
    /// Where agents connect.
    pub grpc_address: SocketAddr,
    /// Where the admin endpoints are.
    pub admin_address: SocketAddr,
    /// Time between reports, and the longest time between decisions of one deployment.
    pub interval: Duration,
    /// TLS of the agents' endpoint.
    pub tls: Option<ServerTlsConfig>,
    /// How often replica counts may change.
    pub change_limits: ChangeLimits,
    /// The form of log lines.
    pub log_format: LogFormat,
}

/// How often replica counts may change.
#[derive(Debug, Clone, Copy)]
pub struct ChangeLimits {
    /// Changes of one deployment per minute, in the long run.
    pub deployment_per_minute: NonZeroU32,
    /// Changes of one deployment that may follow each other at once.
    pub deployment_burst: NonZeroU32,
    /// Changes per second in the cluster; the burst is one second's worth.
    pub cluster_per_second: NonZeroU32,
}

impl Default for ChangeLimits {
    fn default() -> Self {
        let at_least_one = |n: u32| NonZeroU32::MIN.saturating_add(n - 1);
        ChangeLimits {
            deployment_per_minute: at_least_one(60),
            deployment_burst: at_least_one(10),
            cluster_per_second: at_least_one(20),
        }
    }
}

/// Why a command line is not a configuration.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The directory of policies cannot be used.
    #[error("--policies {}: {problem}; name a directory of ScalingPolicy files (*.yaml)", path.display())]
    Policies {
        /// What was given.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// An interval outside the sensible range.
    #[error("--interval-seconds {given}: expected {} to {} seconds", INTERVAL_RANGE.start(), INTERVAL_RANGE.end())]
    Interval {
        /// What was given.
        given: f64,
    },
    /// One of a pair of TLS options is missing.
    #[error(
        "{given} needs {missing} too: TLS for agents takes --tls-cert and --tls-key, and --tls-client-ca to demand client certificates"
    )]
    IncompleteTls {
        /// The option that was given.
        given: &'static str,
        /// The option that is missing.
        missing: &'static str,
    },
    /// A TLS file cannot be read.
    #[error("{option} {}: {source}", path.display())]
    TlsFile {
        /// The option that named the file.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it cannot be read.
        source: std::io::Error,
    },
    /// The TLS files can be read, and TLS cannot use them.
    #[error(
        "{files}: {problem}; expected PEM files: the certificate (followed by those between it and \
         its CA), the private key of that very certificate, and the CA's certificate"
    )]
    UnusableTls {
        /// The options and the files they name.
        files: String,
        /// What TLS says.
        problem: String,
    },
}

impl TryFrom<RunArgs> for Config {
    type Error = ConfigError;

    fn try_from(args: RunArgs) -> Result<Self, ConfigError> {
        if !INTERVAL_RANGE.contains(&args.interval_seconds) {
            return Err(ConfigError::Interval {
                given: args.interval_seconds,
            });
        }
        check_policy_directory(&args.policies)?;
        Ok(Config {
            tls: load_tls(&args)?,
            policies: args.policies,
            kubeconfig: args.kubeconfig,
            grpc_address: args.grpc_address,
            admin_address: args.admin_address,
            interval: Duration::from_secs_f64(args.interval_seconds),
            change_limits: ChangeLimits {
                deployment_per_minute: args.deployment_changes_per_minute,
                deployment_burst: args.deployment_change_burst,
                cluster_per_second: args.cluster_changes_per_second,
            },
            log_format: args.log_format,
        })
    }
}

fn check_policy_directory(path: &Path) -> Result<(), ConfigError> {
    fs::read_dir(path)
        .map(drop)
        .map_err(|error| ConfigError::Policies {
            path: path.to_owned(),
            problem: error.to_string(),
        })
}

fn load_tls(args: &RunArgs) -> Result<Option<ServerTlsConfig>, ConfigError> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    fn parse(arguments: &[&str]) -> Result<Config, ConfigError> {
        let Command::Run(args) = Cli::parse_from([&["scaler", "run"], arguments].concat()).command
        else {
            unreachable!("the arguments start with `run`");
        };
        Config::try_from(*args)
    }

    #[test]
    fn a_missing_policy_directory_is_named_with_its_option() {
        let error = parse(&["--policies", "/nowhere/at/all"])
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("--policies /nowhere/at/all: No such file"),
            "{error}"
        );
    }

    #[test]
    fn half_a_tls_configuration_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let policies = directory.path().to_str().unwrap();
        let error = parse(&["--policies", policies, "--tls-cert", "x.pem"]).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("--tls-cert needs --tls-key too"),
            "{error}"
        );
    }

    #[test]
    fn certificates_that_tls_cannot_use_are_named() {
        let directory = tempfile::tempdir().unwrap();
        let policies = directory.path().to_str().unwrap();
        let write = |name: &str, text: String| {
            let path = directory.path().join(name);
            fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let one = rcgen::generate_simple_self_signed(["one".to_owned()]).unwrap();
        let two = rcgen::generate_simple_self_signed(["two".to_owned()]).unwrap();
        let cert = write("cert.pem", one.cert.pem());
        let key = write("key.pem", one.signing_key.serialize_pem());
        let other_key = write("other.pem", two.signing_key.serialize_pem());
        let garbage = write("garbage.pem", "not a certificate".to_owned());
        let error = |cert: &str, key: &str, ca: &str| {
            let files = ["--tls-cert", cert, "--tls-key", key, "--tls-client-ca", ca];
            parse(&[&["--policies", policies][..], &files].concat()).map_err(|e| e.to_string())
        };
        assert!(error(&cert, &key, &cert).is_ok());
        for (cert, key, ca) in [
            (&garbage, &key, &cert),
            (&cert, &garbage, &cert),
            (&cert, &key, &garbage),
            (&cert, &other_key, &cert),
        ] {
            let text = error(cert, key, ca).unwrap_err();
            let files = format!("--tls-cert {cert}, --tls-key {key}, --tls-client-ca {ca}: ");
            assert!(text.starts_with(&files), "{text}");
        }
    }

    #[test]
    fn an_absurd_interval_is_refused() {
        let error = parse(&["--policies", "/", "--interval-seconds", "0.001"]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "--interval-seconds 0.001: expected 0.1 to 60 seconds"
        );
        assert!(parse(&["--policies", "/", "--interval-seconds", "NaN"]).is_err());
    }
}
