//! One living node per name on a machine: a locked file that says who holds it.
//!
//! Cgroup trees are named after the node and belong to the whole machine, so the lock does too,
//! whatever run directory a node uses. The kernel frees it when the node dies in whatever way.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// Where the lock files lie; a tmpfs on every Linux system.
const DIRECTORY: &str = "/run/viperscale";

/// Why the lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// A node of this name runs.
    #[error(
        "node {node_name:?} is already running (process {pid}); stop it first or use another name"
    )]
    Held {
        /// The name both want.
        node_name: String,
        /// What the holder wrote into the file; empty when it has not yet.
        pid: String,
    },
    /// The file could not be made, opened or written.
    #[error("cannot use lock file {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

/// The lock of one node name; freed on drop.
#[derive(Debug)]
pub(crate) struct NodeLock {
    /// Held open: closing it frees the lock.
    _file: File,
}

impl NodeLock {
    /// Takes the lock at once or says who has it.
    ///
    /// # Errors
    /// When another process holds it or the file cannot be used.
    pub(crate) fn acquire(node_name: &str) -> Result<Self, LockError> {
        let path = Path::new(DIRECTORY).join(format!("node-{node_name}.lock"));
        let failed = |source| LockError::Io {
            path: path.clone(),
            source,
        };
        fs::create_dir_all(DIRECTORY).map_err(failed)?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                file.read_to_string(&mut pid).map_err(failed)?;
                let pid = pid.trim().to_owned();
                return Err(LockError::Held {
                    node_name: node_name.to_owned(),
                    pid,
                });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        // The file stays when the lock goes: removing it would race with the next to open it.
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(failed)?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_told_the_first() {
        let name = format!("locktest-{}", std::process::id());
        let held = NodeLock::acquire(&name).unwrap();
        match NodeLock::acquire(&name) {
            Err(LockError::Held { pid, .. }) => assert_eq!(pid, std::process::id().to_string()),
            other => panic!("the lock was given twice: {other:?}"),
        }
        drop(held);
        NodeLock::acquire(&name).unwrap();
        fs::remove_file(Path::new(DIRECTORY).join(format!("node-{name}.lock"))).unwrap();
    }
}
