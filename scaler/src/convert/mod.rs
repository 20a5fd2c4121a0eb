//! `scaler convert`: a HorizontalPodAutoscaler becomes a policy that starts in `DryRun`.
//!
//! ```text
//! manifest ─▶ hpa (read, v1 and v2) ─▶ metrics (what has a counterpart) ─┐
//!                              └─▶ behavior (the same words) ────────────┴▶ policy text with comments
//! ```
//!
//! What could not be carried over is said where it would have been. The text is read back with the
//! core before it is printed: what comes out is a valid policy, or an error.

mod behavior;
mod hpa;
mod metrics;
mod write;

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use scaler_core::policy;
use thiserror::Error;

use crate::cli::ConvertArgs;
use crate::workloads::parse_cpu;

/// A manifest is some dozens of lines; more is a mistake.
const MAX_BYTES: u64 = 1024 * 1024;

/// Why a manifest does not become a policy.
#[derive(Debug, Error)]
pub enum ConvertError {
    /// The file cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not what can be converted.
    #[error("{file}: document {document}: {problem}")]
    Document {
        /// The file.
        file: String,
        /// Which of its documents, from 1.
        document: usize,
        /// What is wrong, and what was expected.
        problem: String,
    },
    /// Nothing in it can be converted.
    #[error("{file}: expected a HorizontalPodAutoscaler, found no document")]
    Empty {
        /// The file.
        file: String,
    },
    /// The option is no CPU quantity.
    #[error("--cpu-request {given}: expected CPU time such as `200m` or `1.5`, above 0")]
    CpuRequest {
        /// What was given.
        given: String,
    },
}

/// What manifests do not say.
#[derive(Debug, Clone)]
pub struct Context {
    /// The namespace of manifests that name none.
    pub namespace: String,
    /// CPU request of one pod, in cores.
    pub cpu_request_cores: Option<f64>,
}

/// Converts and prints; nothing is printed unless everything converts.
///
/// # Errors
/// The first thing that cannot be converted.
pub fn main(args: &ConvertArgs) -> anyhow::Result<ExitCode> {
    let context = Context {
        namespace: args.namespace.clone(),
        cpu_request_cores: args.cpu_request.as_deref().map(cpu_request).transpose()?,
    };
    let mut policies = Vec::new();
    for path in &args.files {
        let text = read(path).map_err(|source| ConvertError::Unreadable {
            path: path.clone(),
            source,
        })?;
        policies.extend(convert(&text, &path.to_string_lossy(), &context)?);
    }
    io::stdout()
        .lock()
        .write_all(policies.join("---\n").as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// The policies for the autoscalers in `text`, in order. `file` is only a name, for messages.
///
/// # Errors
/// The first document that cannot be converted.
pub fn convert(text: &str, file: &str, context: &Context) -> Result<Vec<String>, ConvertError> {
    let mut policies = Vec::new();
    for (index, document) in serde_yaml::Deserializer::from_str(text).enumerate() {
        let failed = |problem: String| ConvertError::Document {
            file: file.to_owned(),
            document: index + 1,
            problem,
        };
        let Some(autoscalers) = hpa::read(document).map_err(failed)? else {
            continue;
        };
        for autoscaler in autoscalers {
            let policy = write::policy(&autoscaler, context).map_err(failed)?;
            check(&policy).map_err(failed)?;
            policies.push(policy);
        }
    }
    if policies.is_empty() {
        return Err(ConvertError::Empty {
            file: file.to_owned(),
        });
    }
    Ok(policies)
}

/// A manifest may say what no policy may, such as a name that no API server accepts.
fn check(text: &str) -> Result<(), String> {
    policy::load(text, "policy").map(drop).map_err(|errors| {
        let texts: Vec<String> = errors
            .iter()
            .map(|error| format!("{}: {}", error.field, error.message))
            .collect();
        format!("no policy can say that: {}", texts.join("; "))
    })
}

fn cpu_request(given: &str) -> Result<f64, ConvertError> {
    parse_cpu(given)
        .filter(|cores| *cores > 0.0)
        .ok_or_else(|| ConvertError::CpuRequest {
            given: given.to_owned(),
        })
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let mut bounded: Box<dyn Read> = match path.as_os_str() == "-" {
        true => Box::new(io::stdin().take(MAX_BYTES + 1)),
        false => Box::new(fs::File::open(path)?.take(MAX_BYTES + 1)),
    };
    bounded.read_to_string(&mut text)?;
    match text.len() as u64 > MAX_BYTES {
        true => Err(io::Error::other(format!("larger than {MAX_BYTES} bytes"))),
        false => Ok(text),
    }
}

#[cfg(test)]
mod tests;
