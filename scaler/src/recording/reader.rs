//! Reads a recording from its beginning, as far as it is intact.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::block::{Damage, DamageKind, unpack};
use super::decode::Decoder;
use super::writer::segments;
use super::{Entry, HEADER, HEADER_START};

/// Why a path is no recording.
#[derive(Debug, Error)]
pub enum OpenError {
    /// It cannot be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// What was given.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A directory without segments.
    #[error(
        "{}: no recording in it; expected segments such as 0000000001.vsr, as `scaler run --record` writes them",
        path.display()
    )]
    Empty {
        /// What was given.
        path: PathBuf,
    },
    /// A file of another kind.
    #[error("{}: not a recording; expected a file that `scaler run --record` has written", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A file of another version.
    #[error("{}: a recording in format {found}; this scaler reads format 1, a newer one may read it", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: String,
    },
}

/// The entries of a recording, in order.
///
/// Damage ends the reading of its segment; the next segment stands for itself, and is read.
#[derive(Debug)]
pub struct Recording {
    segments: VecDeque<PathBuf>,
    open: Option<Open>,
    decoder: Decoder,
    entries: VecDeque<Entry>,
    damage: Vec<Damage>,
}

#[derive(Debug)]
struct Open {
    path: PathBuf,
    file: BufReader<File>,
    intact: u64,
}

impl Recording {
    /// Opens a segment, or a directory of them.
    ///
    /// # Errors
    /// When there is none, or the first is something else.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let unreadable = |source| OpenError::Unreadable {
            path: path.to_owned(),
            source,
        };
        let files: VecDeque<PathBuf> = if fs::metadata(path).map_err(unreadable)?.is_dir() {
            let found = segments(path).map_err(unreadable)?;
            found.into_iter().map(|(_, path)| path).collect()
        } else {
            VecDeque::from([path.to_owned()])
        };
        let Some(first) = files.front() else {
            let path = path.to_owned();
            return Err(OpenError::Empty { path });
        };
        check_header(first)?;
        Ok(Recording {
            segments: files,
            open: None,
            decoder: Decoder::default(),
            entries: VecDeque::new(),
            damage: Vec::new(),
        })
    }

    /// What could not be read so far. Complete once the iterator has ended.
    #[must_use]
    pub fn damage(&self) -> &[Damage] {
        &self.damage
    }

    /// Reads the next block into `entries`; false at the end of everything.
    fn read_block(&mut self) -> bool {
        let Some(open) = &mut self.open else {
            return self.open_next();
        };
        let problem = match unpack(&mut open.file) {
            Ok(Some((raw, length))) => {
                let (entries, malformed) = self.decoder.block(&raw);
                self.entries.extend(entries);
                match malformed {
                    None => {
                        open.intact += length;
                        return true;
                    }
                    Some(problem) => DamageKind::Malformed(problem),
                }
            }
            Ok(None) => {
                self.open = None;
                return true;
            }
            Err(damage) => damage,
        };
        self.damage.push(Damage {
            file: open.path.display().to_string(),
            intact_bytes: open.intact,
            kind: problem,
        });
        self.entries.push_back(Entry::Missing);
        self.open = None;
        true
    }

    fn open_next(&mut self) -> bool {
        let Some(path) = self.segments.pop_front() else {
            return false;
        };
        let opened = File::open(&path).and_then(|file| {
            let mut file = BufReader::new(file);
            let mut header = [0; HEADER.len()];
            file.read_exact(&mut header)?;
            Ok((file, header))
        });
        let kind = match opened {
            Ok((file, header)) if header == HEADER => {
                let intact = HEADER.len() as u64;
                self.open = Some(Open { path, file, intact });
                return true;
            }
            Ok(_) => DamageKind::Malformed("not a segment of format 1".to_owned()),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => DamageKind::CutShort,
            Err(error) => DamageKind::Unreadable(error.to_string()),
        };
        self.damage.push(Damage {
            file: path.display().to_string(),
            intact_bytes: 0,
            kind,
        });
        self.entries.push_back(Entry::Missing);
        true
    }
}

impl Iterator for Recording {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        while self.entries.is_empty() {
            if !self.read_block() {
                return None;
            }
        }
        self.entries.pop_front()
    }
}

/// A first segment that is cut short within its header counts as a damaged recording, not as
/// something else: the scaler may have died right then.
fn check_header(path: &Path) -> Result<(), OpenError> {
    let unreadable = |source| OpenError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let mut header = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(64).read_to_end(&mut header).map_err(unreadable)?;
    let path = || path.to_owned();
    if header.starts_with(HEADER) || HEADER.starts_with(&header) {
        return Ok(());
    }
    let Some(version) = header.strip_prefix(HEADER_START) else {
        return Err(OpenError::Foreign { path: path() });
    };
    let line = version
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    Err(OpenError::Version {
        path: path(),
        found: String::from_utf8_lossy(line).into_owned(),
    })
}
