//! The directory of one run: kubeconfig, policies, logs, and a lock that makes it exclusive.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;
use thiserror::Error;

/// Where runs keep their state unless told otherwise: a tmpfs that only root may write.
pub const DEFAULT_PARENT: &str = "/run/viperscale";

/// The name of the lock file; it stays behind, because removing it would break its exclusion.
const LOCK_FILE: &str = "lock";

/// An exclusively held run directory.
///
/// Invariant: while it lives, no other process holds the same directory. The kernel drops the lock
/// with the process, so a killed run never blocks the next one.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    _lock: File,
}

/// Why a run directory cannot be used.
#[derive(Debug, Error)]
pub enum RunDirError {
    /// Another live process holds it.
    #[error(
        "{0} belongs to another run that is still going: stop that one, or choose another \
         directory with --dir"
    )]
    Busy(PathBuf),
    /// It exists, and what it holds is not ours to remove.
    #[error("{0} is not empty and was not made by loadtest: choose another directory with --dir")]
    Foreign(PathBuf),
    /// The file system refused.
    #[error("cannot prepare the run directory {path}: {source}; choose another with --dir")]
    Io {
        /// The directory.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
}

impl RunDir {
    /// Claims `path`, creating it if need be and removing what an earlier run left in it.
    ///
    /// # Errors
    /// When a live run holds it, when it holds somebody else's files, or when it cannot be written.
    pub fn claim(path: &Path) -> Result<Self, RunDirError> {
        let io_error = |source| RunDirError::Io {
            path: path.to_owned(),
            source,
        };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(io_error)?;
        let lock_path = path.join(LOCK_FILE);
        if !lock_path.exists() && fs::read_dir(path).map_err(io_error)?.next().is_some() {
            return Err(RunDirError::Foreign(path.to_owned()));
        }
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(lock_path)
            .map_err(io_error)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(RunDirError::Busy(path.to_owned())),
            Err(TryLockError::Error(source)) => return Err(io_error(source)),
        }
        let dir = Self {
            path: path.to_owned(),
            _lock: lock,
        };
        dir.clear().map_err(io_error)?;
        fs::create_dir(dir.logs()).map_err(io_error)?;
        Ok(dir)
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the log of each process goes.
    pub fn logs(&self) -> PathBuf {
        self.path.join("logs")
    }

    /// Ends a run: after a success its files go, after a failure its logs are named on standard error.
    ///
    /// # Errors
    /// The run's own, and that its files cannot be removed.
    pub fn conclude<T>(&self, outcome: anyhow::Result<T>) -> anyhow::Result<T> {
        match &outcome {
            Ok(_) => self.clear().context("cannot remove the run's files")?,
            Err(_) => eprintln!("logs of this run: {}", self.logs().display()),
        }
        outcome
    }

    /// Removes everything but the lock file.
    ///
    /// # Errors
    /// What the file system said.
    pub fn clear(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            if entry.file_name() == LOCK_FILE {
                continue;
            }
            if entry.file_type()?.is_dir() {
                fs::remove_dir_all(entry.path())?;
            } else {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_claim_of_a_live_run_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("run");
        let first = RunDir::claim(&path).unwrap();
        assert!(matches!(RunDir::claim(&path), Err(RunDirError::Busy(_))));
        drop(first);
        RunDir::claim(&path).unwrap();
    }

    #[test]
    fn leftovers_of_a_dead_run_are_removed() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("run");
        let first = RunDir::claim(&path).unwrap();
        fs::write(first.logs().join("scaler.log"), "old").unwrap();
        drop(first);
        let second = RunDir::claim(&path).unwrap();
        assert_eq!(fs::read_dir(second.logs()).unwrap().count(), 0);
    }

    #[test]
    fn somebody_elses_directory_is_left_alone() {
        let parent = tempfile::tempdir().unwrap();
        fs::write(parent.path().join("thesis.tex"), "years of work").unwrap();
        assert!(matches!(
            RunDir::claim(parent.path()),
            Err(RunDirError::Foreign(_))
        ));
        assert!(parent.path().join("thesis.tex").exists());
    }
}
