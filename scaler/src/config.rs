//! The checked configuration of `scaler run`: what exists as a value of these types is usable.

mod error;
mod tls;

use std::fs;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tonic::transport::ServerTlsConfig;

use crate::cli::{LogFormat, RunArgs};
use crate::election::Timing;
pub use error::ConfigError;

/// Reports faster than this cost more than they tell; slower ones are no autoscaling.
const INTERVAL_RANGE: std::ops::RangeInclusive<f64> = 0.1..=60.0;

/// Everything `scaler run` needs, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// Directory of policy files, if there is one; exists.
    pub policies: Option<PathBuf>,
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
    /// How the leader is elected; `None` for a scaler that is the only one.
    pub election: Option<ElectionConfig>,
    /// How often replica counts may change.
    pub change_limits: ChangeLimits,
    /// Whether a scale-down first marks idle pods for deletion.
    pub pod_deletion_costs: bool,
    /// Where everything is recorded, if it is.
    pub record: Option<RecordConfig>,
    /// The form of log lines.
    pub log_format: LogFormat,
}

/// How one of several scalers is elected.
#[derive(Debug, Clone)]
pub struct ElectionConfig {
    /// The Lease's name.
    pub lease: String,
    /// Its namespace; `None` is the client's own.
    pub namespace: Option<String>,
    /// How fast leadership moves.
    pub timing: Timing,
    /// Where agents reach this scaler, if it was said.
    pub advertise: Option<String>,
}

impl ElectionConfig {
    /// Where agents reach this scaler, which listens on `bound`; empty when nobody can know, as for
    /// all addresses of a machine.
    pub fn advertised(&self, bound: SocketAddr) -> String {
        let known = (!bound.ip().is_unspecified()).then(|| bound.to_string());
        self.advertise.clone().or(known).unwrap_or_default()
    }
}

/// Where to record, and how much.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordConfig {
    /// The directory.
    pub directory: PathBuf,
    /// Most bytes in it.
    pub max_bytes: u64,
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

impl TryFrom<RunArgs> for Config {
    type Error = ConfigError;

    fn try_from(args: RunArgs) -> Result<Self, ConfigError> {
        if !INTERVAL_RANGE.contains(&args.interval_seconds) {
            return Err(ConfigError::Interval {
                given: args.interval_seconds,
            });
        }
        if let Some(directory) = &args.policies {
            check_policy_directory(directory)?;
        }
        Ok(Config {
            tls: tls::load(&args)?,
            election: election(&args)?,
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
            pod_deletion_costs: args.pod_deletion_costs,
            record: args.record.map(|directory| RecordConfig {
                directory,
                max_bytes: u64::from(args.record_max_mib.get()) << 20,
            }),
            log_format: args.log_format,
        })
    }
}

fn election(args: &RunArgs) -> Result<Option<ElectionConfig>, ConfigError> {
    let timing = Timing::for_lease(args.lease_seconds)?;
    if let Some(given) = args.advertise.as_ref().filter(|given| !is_address(given)) {
        return Err(ConfigError::Advertise {
            given: given.clone(),
        });
    }
    Ok(args.leader_election.then(|| ElectionConfig {
        lease: args.lease.clone(),
        namespace: args.lease_namespace.clone(),
        timing,
        advertise: args.advertise.clone(),
    }))
}

/// `HOST:PORT`, where the host may be a name or a bracketed IPv6 address.
fn is_address(text: &str) -> bool {
    let authority: Result<http::uri::Authority, _> = text.parse();
    authority.is_ok_and(|authority| {
        authority.port_u16().is_some_and(|port| port > 0) && !authority.host().is_empty()
    })
}

fn check_policy_directory(path: &Path) -> Result<(), ConfigError> {
    fs::read_dir(path)
        .map(drop)
        .map_err(|error| ConfigError::Policies {
            path: path.to_owned(),
            problem: error.to_string(),
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
    fn election_is_on_and_its_options_are_checked() {
        let election = parse(&["--policies", "/"]).unwrap().election.unwrap();
        assert_eq!(election.timing, Timing::default());
        let advertised = |bound: &str| election.advertised(bound.parse().unwrap());
        assert_eq!(advertised("127.0.0.1:9100"), "127.0.0.1:9100");
        assert_eq!(advertised("0.0.0.0:9100"), "", "every address is none");
        let off = parse(&["--policies", "/", "--leader-election", "false"]).unwrap();
        assert!(off.election.is_none());
        let refused = |option: &str, value: &str| {
            parse(&["--policies", "/", option, value])
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            refused("--lease-seconds", "1"),
            "--lease-seconds 1: expected 3 to 60 seconds"
        );
        for bad in ["10.0.0.7", ":9100", "http://10.0.0.7:9100", "10.0.0.7:0"] {
            assert!(
                refused("--advertise", bad).contains("expected HOST:PORT"),
                "{bad}"
            );
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
