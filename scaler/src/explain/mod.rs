//! `scaler explain NAMESPACE/NAME`: why a deployment has the replicas it has, in ten seconds.
//!
//! ```text
//! running scaler ─ GET /decisions/NAMESPACE/NAME ─┐
//!                                                 ├─▶ Explained ─▶ text: verdict, evidence, hints
//! recording ─ entries, the last ones ─────────────┘            └─▶ --json
//! ```
//!
//! NAME is that of the policy or of the deployment. Exit codes: 0 when it was explained, 1 when it
//! could not be (no scaler there, no such policy, not a recording).

mod hints;
mod remote;
mod replayed;
mod text;
pub mod view;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use thiserror::Error;

pub use view::Explained;

use crate::cli::ExplainArgs;
use crate::recording::OpenError;

/// Why nothing can be explained.
#[derive(Debug, Error)]
pub enum ExplainError {
    /// The argument names nothing.
    #[error("{given}: expected NAMESPACE/NAME, the name being the policy's or the deployment's")]
    Name {
        /// What was given.
        given: String,
    },
    /// No scaler answers.
    #[error(
        "{address} does not answer: {problem}; is `scaler run` there, with this --admin-address? \
         In a cluster: kubectl port-forward deployment/viperscale-scaler 9102"
    )]
    Unreachable {
        /// Where it was looked for.
        address: String,
        /// The network's words.
        problem: String,
    },
    /// A scaler answers, and does not know.
    #[error("{0}")]
    Unknown(String),
    /// Something else answers.
    #[error("{address} answers, but not as a scaler: {problem}; name the scaler's --admin-address")]
    Foreign {
        /// Where.
        address: String,
        /// What is wrong.
        problem: String,
    },
    /// The path is no recording.
    #[error(transparent)]
    Recording(#[from] OpenError),
    /// The recording has nothing about it.
    #[error("{}: nothing recorded of {wanted}; recorded are {recorded}", path.display())]
    NotRecorded {
        /// The recording.
        path: PathBuf,
        /// What was asked for.
        wanted: String,
        /// What there is.
        recorded: String,
    },
}

/// Explains and prints.
///
/// # Errors
/// See [`ExplainError`], and when the answer cannot be printed.
pub fn main(args: &ExplainArgs) -> anyhow::Result<ExitCode> {
    let (namespace, name) = args
        .name
        .split_once('/')
        .filter(|(namespace, name)| {
            !namespace.is_empty() && !name.is_empty() && !name.contains('/')
        })
        .ok_or_else(|| ExplainError::Name {
            given: args.name.clone(),
        })?;
    let explained = match &args.recording {
        Some(path) => {
            let (explained, damage) = replayed::explain(path, namespace, name)?;
            for damage in damage {
                eprintln!("warning: {damage}; what follows in that file was not read");
            }
            explained
        }
        None => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(remote::explain(&args.address, namespace, name))?,
    };
    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &explained)?;
        writeln!(out)?;
    } else {
        write!(out, "{}", text::render(&explained))?;
    }
    Ok(ExitCode::SUCCESS)
}
