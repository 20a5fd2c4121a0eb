//! What is wrong with a command line, and what was expected.

use std::path::PathBuf;

use thiserror::Error;

use super::INTERVAL_RANGE;
use crate::election::BadTiming;

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
    /// The Lease's time is not sensible.
    #[error(transparent)]
    Lease(#[from] BadTiming),
    /// What agents are told is no address.
    #[error("--advertise {given}: expected HOST:PORT, such as 10.0.0.7:9100")]
    Advertise {
        /// What was given.
        given: String,
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
