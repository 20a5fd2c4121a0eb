//! What can go wrong between here and real load.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

/// No load, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum LocustError {
    /// Python is missing.
    #[error(
        "Locust needs Python 3, and there is no {program:?}: install it (Debian and Ubuntu: apt-get install python3 \
         python3-venv; Fedora: dnf install python3) or name another with VIPERSCALE_PYTHON"
    )]
    NoPython {
        /// What was looked for.
        program: String,
    },
    /// Python cannot run a one-line program.
    #[error("{program:?} does not work: {message}")]
    BrokenPython {
        /// The program.
        program: String,
        /// What it said.
        message: String,
    },
    /// Python is older than what Locust supports.
    #[error(
        "Locust needs Python {}.{} or newer, and {executable} is {}.{}: install a newer one and name it with \
         VIPERSCALE_PYTHON",
        needed.0, needed.1, found.0, found.1
    )]
    OldPython {
        /// The interpreter's path.
        executable: String,
        /// Its major and minor version.
        found: (u32, u32),
        /// The oldest that will do.
        needed: (u32, u32),
    },
    /// Python has neither a way to make an environment nor pip.
    #[error(
        "{executable} can install nothing: it has neither venv with ensurepip nor pip (Debian and Ubuntu: apt-get \
         install python3-venv)"
    )]
    NoInstaller {
        /// The interpreter's path.
        executable: String,
    },
    /// Neither `XDG_CACHE_HOME` nor `HOME` is set.
    #[error("no place for Locust: set HOME or XDG_CACHE_HOME")]
    NoCacheDirectory,
    /// A file or directory cannot be written or locked.
    #[error("cannot {action} {path}: {source}", path = path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The package index could not be reached.
    #[error(
        "cannot install Locust: the package index cannot be reached. Check the network, or set PIP_INDEX_URL to a \
         mirror or HTTPS_PROXY to a proxy. The end of pip's output:\n{tail}"
    )]
    NoNetwork {
        /// The end of pip's output.
        tail: String,
    },
    /// A step of the installation failed.
    #[error("cannot install Locust: {step} failed ({status}). The end of its output:\n{tail}")]
    Install {
        /// The step.
        step: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// The end of its output.
        tail: String,
    },
    /// A step of the installation does not end.
    #[error(
        "cannot install Locust: {step} took longer than {minutes} minutes and was ended. The end of its output:\n{tail}"
    )]
    InstallTimeout {
        /// The step.
        step: &'static str,
        /// How long it was given.
        minutes: u64,
        /// The end of its output.
        tail: String,
    },
    /// A plan that cannot be driven.
    #[error("the load plan cannot be driven: {0}")]
    Plan(String),
    /// A program cannot be started.
    #[error("cannot start {program}: {source}", program = program.display())]
    Spawn {
        /// The program.
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Locust ended by itself, and not well.
    #[error("Locust failed ({status}); its log is {log}, which ends:\n{tail}", log = log.display())]
    Failed {
        /// How it ended.
        status: ExitStatus,
        /// Its log.
        log: PathBuf,
        /// The end of the log.
        tail: String,
    },
}

impl LocustError {
    /// For `map_err` on file operations.
    pub(super) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File {
            action,
            path,
            source,
        }
    }
}
