//! Reading and writing a trial's directory.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Metadata, TrialKey, TrialRecord};

const METADATA: &str = "trial.json";
const REQUESTS: &str = "requests.jsonl";
const USERS: &str = "users.jsonl";
const REPLICAS: &str = "replicas.jsonl";
const CPU: &str = "cpu.jsonl";
const OVERHEAD: &str = "overhead.jsonl";
const DECISIONS: &str = "decisions.jsonl";

/// A trial's directory that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The file system refuses.
    #[error("cannot {action} {path}: {source}", path = path.display())]
    Io {
        /// `read`, `write`, ...
        action: &'static str,
        /// What.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file holds something else.
    #[error("{path}:{line}: {source}", path = path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// Written by another version of this program.
    #[error("{path} has schema version {found}, this program reads {expected}: make the trial again", path = path.display())]
    OtherVersion {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// Ours.
        expected: u32,
    },
    /// The trial was interrupted, or never begun.
    #[error("{path} holds no complete trial: resume the comparison", path = path.display())]
    Incomplete {
        /// The trial's directory.
        path: PathBuf,
    },
    /// The trial belongs to another version of the scenario.
    #[error("{path} is a trial of another version of this scenario: use another directory, or remove it", path = path.display())]
    OtherScenario {
        /// The trial's directory.
        path: PathBuf,
    },
    /// The trial is there already.
    #[error("{path} is complete already: use another directory, or remove it", path = path.display())]
    AlreadyComplete {
        /// The trial's directory.
        path: PathBuf,
    },
}

impl TrialRecord {
    /// Which trial it is.
    #[must_use]
    pub fn key(&self) -> TrialKey {
        TrialKey {
            trial: self.metadata.trial,
            autoscaler: self.metadata.autoscaler,
        }
    }

    /// Writes the trial to its own directory below `scenario_dir`, which appears at once and whole.
    ///
    /// # Errors
    /// When a complete trial is there already, or the file system refuses.
    pub(super) fn write(&self, scenario_dir: &Path) -> Result<(), RecordError> {
        let path = scenario_dir.join(self.key().directory());
        if Self::read_metadata(&path)?.is_some_and(|metadata| metadata.complete) {
            return Err(RecordError::AlreadyComplete { path });
        }
        let partial = path.with_extension("partial");
        remove(&partial)?;
        fs::create_dir_all(&partial).map_err(failed("create", &partial))?;
        write_lines(&partial.join(REQUESTS), &self.requests)?;
        write_lines(&partial.join(USERS), &self.users)?;
        write_lines(&partial.join(REPLICAS), &self.replicas)?;
        write_lines(&partial.join(CPU), &self.cpu)?;
        write_lines(&partial.join(OVERHEAD), &self.overhead)?;
        write_lines(&partial.join(DECISIONS), &self.decisions)?;
        let metadata = Metadata {
            complete: true,
            ..self.metadata.clone()
        };
        write_metadata(&partial.join(METADATA), &metadata)?;
        remove(&path)?;
        fs::rename(&partial, &path).map_err(failed("write", &path))
    }

    /// Reads a trial's directory.
    ///
    /// # Errors
    /// When the trial is not complete, or a file is missing or holds something else.
    pub fn read(path: &Path) -> Result<Self, RecordError> {
        let metadata = Self::read_metadata(path)?
            .filter(|metadata| metadata.complete)
            .ok_or_else(|| RecordError::Incomplete { path: path.into() })?;
        Ok(Self {
            metadata,
            requests: read_lines(&path.join(REQUESTS))?,
            users: read_lines(&path.join(USERS))?,
            replicas: read_lines(&path.join(REPLICAS))?,
            cpu: read_lines(&path.join(CPU))?,
            overhead: read_lines(&path.join(OVERHEAD))?,
            decisions: read_lines(&path.join(DECISIONS))?,
        })
    }

    /// The metadata in a trial's directory; none when there is none.
    ///
    /// # Errors
    /// When the file is there and cannot be read, or is of another version.
    pub(super) fn read_metadata(path: &Path) -> Result<Option<Metadata>, RecordError> {
        #[derive(serde::Deserialize)]
        struct Version {
            schema_version: u32,
        }
        let path = path.join(METADATA);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("read", &path)(error)),
        };
        let malformed = |source: serde_json::Error| RecordError::Malformed {
            path: path.clone(),
            line: source.line(),
            source,
        };
        let Version { schema_version } = serde_json::from_str(&text).map_err(malformed)?;
        if schema_version != Metadata::SCHEMA_VERSION {
            return Err(RecordError::OtherVersion {
                path,
                found: schema_version,
                expected: Metadata::SCHEMA_VERSION,
            });
        }
        serde_json::from_str(&text).map(Some).map_err(malformed)
    }
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RecordError {
    let path = path.to_owned();
    move |source| RecordError::Io {
        action,
        path,
        source,
    }
}

fn remove(dir: &Path) -> Result<(), RecordError> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed("remove", dir)(error)),
        _ => Ok(()),
    }
}

fn write_metadata(path: &Path, metadata: &Metadata) -> Result<(), RecordError> {
    let text = serde_json::to_string_pretty(metadata).map_err(io::Error::from);
    text.and_then(|text| fs::write(path, text + "\n"))
        .map_err(failed("write", path))
}

fn write_lines<T: Serialize>(path: &Path, lines: &[T]) -> Result<(), RecordError> {
    let write = || -> io::Result<()> {
        let mut file = BufWriter::new(File::create(path)?);
        for line in lines {
            serde_json::to_writer(&mut file, line)?;
            file.write_all(b"\n")?;
        }
        file.into_inner()?.sync_all()
    };
    write().map_err(failed("write", path))
}

fn read_lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, RecordError> {
    let file = File::open(path).map_err(failed("read", path))?;
    let mut lines = Vec::new();
    for (index, line) in BufReader::new(file).lines().enumerate() {
        let line = line.map_err(failed("read", path))?;
        let value = serde_json::from_str(&line).map_err(|source| RecordError::Malformed {
            path: path.to_owned(),
            line: index + 1,
            source,
        })?;
        lines.push(value);
    }
    Ok(lines)
}
