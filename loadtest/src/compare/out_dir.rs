//! The folder of a comparison: `--out`, one folder below it per scenario.
//!
//! ```text
//!  OUT/comparison.lock             held while a comparison runs; marks the folder as ours
//!  OUT/SCENARIO/inputs.json        what its trials have in common
//!  OUT/SCENARIO/trial-1-hpa/ ...   the crate `comparison` says what is in them
//!  OUT/SCENARIO/report.html ...    written at the end
//! ```

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::inputs::Inputs;

const LOCK: &str = "comparison.lock";
const INPUTS: &str = "inputs.json";

/// The folder of a comparison, held exclusively. The kernel drops the hold with the process.
#[derive(Debug)]
pub(super) struct OutDir {
    path: PathBuf,
    _lock: File,
}

/// Why `--out` cannot be used.
#[derive(Debug, Error)]
pub(super) enum OutDirError {
    /// It is somebody else's.
    #[error("--out {0} is not empty and holds no comparison: choose another folder")]
    Foreign(PathBuf),
    /// A comparison is running.
    #[error(
        "--out {0} belongs to a comparison that is still running: stop that one, or choose another folder"
    )]
    Busy(PathBuf),
    /// It holds trials of something else.
    #[error(
        "--out {path} holds another comparison of {scenario}: {}. Choose another folder, or remove {}",
        changes.join(", "), path.join(scenario).display()
    )]
    Other {
        /// The folder.
        path: PathBuf,
        /// The scenario.
        scenario: String,
        /// What differs.
        changes: Vec<String>,
    },
    /// The file system refuses.
    #[error("cannot use --out {path}: {source}")]
    Io {
        /// What it refused.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl OutDir {
    /// Holds `path` for a comparison of `scenarios`, by name; creates it if need be. Trials that are there and are of
    /// the same inputs are kept.
    ///
    /// # Errors
    /// When it holds something else, and what to do about it. Nothing has been changed then.
    pub(super) fn claim(path: &Path, scenarios: &[(String, Inputs)]) -> Result<Self, OutDirError> {
        let io_error = |path: &Path| {
            let path = path.to_owned();
            move |source| OutDirError::Io { path, source }
        };
        let lock_path = path.join(LOCK);
        if !lock_path.exists() && path.exists() {
            let mut entries = fs::read_dir(path).map_err(io_error(path))?;
            if entries.next().is_some() {
                return Err(OutDirError::Foreign(path.to_owned()));
            }
        }
        fs::create_dir_all(path).map_err(io_error(path))?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock_path)
            .map_err(io_error(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OutDirError::Busy(path.to_owned())),
            Err(TryLockError::Error(source)) => return Err(io_error(path)(source)),
        }
        for (scenario, inputs) in scenarios {
            let changes = match read(&path.join(scenario).join(INPUTS)) {
                Ok(None) => continue,
                Ok(Some(before)) => inputs.changes_since(&before),
                Err(error) => vec![format!("its {INPUTS} cannot be read ({error})")],
            };
            if !changes.is_empty() {
                return Err(OutDirError::Other {
                    path: path.to_owned(),
                    scenario: scenario.clone(),
                    changes,
                });
            }
        }
        for (scenario, inputs) in scenarios {
            let folder = path.join(scenario);
            fs::create_dir_all(&folder).map_err(io_error(&folder))?;
            let file = folder.join(INPUTS);
            let text = serde_json::to_string_pretty(inputs).map_err(io::Error::from);
            text.and_then(|text| fs::write(&file, text + "\n"))
                .map_err(io_error(&file))?;
        }
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// The folder.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

fn read(file: &Path) -> io::Result<Option<Inputs>> {
    match fs::read(file) {
        Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    fn inputs(users: u32) -> Vec<(String, Inputs)> {
        let inputs = Inputs {
            programs: BTreeMap::new(),
            cluster: "local".to_owned(),
            options: BTreeMap::new(),
            scenario: json!({"users": users}),
            policies: BTreeMap::new(),
        };
        vec![("spike".to_owned(), inputs)]
    }

    #[test]
    fn the_same_comparison_goes_on_and_another_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("out");
        let first = OutDir::claim(&path, &inputs(4)).unwrap();
        assert!(matches!(
            OutDir::claim(&path, &inputs(4)),
            Err(OutDirError::Busy(_))
        ));
        drop(first);
        fs::create_dir(path.join("spike/trial-1-hpa")).unwrap();
        drop(OutDir::claim(&path, &inputs(4)).unwrap());
        assert!(path.join("spike/trial-1-hpa").exists());

        let message = OutDir::claim(&path, &inputs(5)).unwrap_err().to_string();
        let expected = format!(
            "--out {0} holds another comparison of spike: scenario.users was 4 and is 5. Choose another folder, or \
             remove {0}/spike",
            path.display()
        );
        assert_eq!(message, expected);
    }

    #[test]
    fn somebody_elses_folder_is_left_alone() {
        let parent = tempfile::tempdir().unwrap();
        fs::write(parent.path().join("thesis.tex"), "years of work").unwrap();
        assert!(matches!(
            OutDir::claim(parent.path(), &inputs(4)),
            Err(OutDirError::Foreign(_))
        ));
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);
    }
}
