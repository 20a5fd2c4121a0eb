//! Appends blocks to segments and deletes the oldest ones. Runs in a thread of its own, because
//! disks stall.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::block::pack;
use super::{EXTENSION, HEADER};

/// A recording consists of about so many segments once it has reached its size; the oldest is
/// deleted as a whole.
const SEGMENTS: u64 = 8;

/// A block on its way to the disk.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) raw: Vec<u8>,
    /// It refers to nothing before it, so that a segment may begin with it.
    pub(super) starts: bool,
}

/// What became of a block.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// It is in the file.
    Yes {
        /// Bytes that the file grew by.
        bytes: u64,
        /// The next segment is due, as soon as a block comes that may begin one.
        wants_start: bool,
    },
    /// It refers to something that was lost: a start is needed.
    Unusable,
}

/// Writes one recording.
#[derive(Debug)]
pub(super) struct Writer {
    directory: PathBuf,
    max_bytes: u64,
    next_number: u64,
    segment: Option<Segment>,
}

#[derive(Debug)]
struct Segment {
    file: File,
    bytes: u64,
}

impl Writer {
    /// Continues after the segments that are in `directory`.
    ///
    /// # Errors
    /// When the directory cannot be listed.
    pub(super) fn new(directory: &Path, max_bytes: u64) -> io::Result<Self> {
        let newest = segments(directory)?.last().map_or(0, |(number, _)| *number);
        Ok(Writer {
            directory: directory.to_owned(),
            max_bytes,
            next_number: newest + 1,
            segment: None,
        })
    }

    /// Appends `block`, to a new segment when the present one is large enough.
    ///
    /// # Errors
    /// When the file system fails. The segment is left as it is; its damaged end, if it has one, is
    /// noticed when it is read.
    pub(super) fn write(&mut self, block: &Block) -> io::Result<Written> {
        let due = self
            .segment
            .as_ref()
            .is_none_or(|s| s.bytes >= self.segment_bytes());
        if block.starts && due {
            self.close();
            self.segment = Some(self.open_next()?);
        }
        let limit = self.segment_bytes();
        let Some(segment) = &mut self.segment else {
            return Ok(Written::Unusable);
        };
        let packed = pack(&block.raw)?;
        if let Err(error) = segment.file.write_all(&packed) {
            // Half a block may be there, and nothing may follow it.
            self.segment = None;
            return Err(error);
        }
        segment.bytes += packed.len() as u64;
        Ok(Written::Yes {
            bytes: packed.len() as u64,
            wants_start: segment.bytes >= limit,
        })
    }

    /// What was written survives a power failure from here on.
    pub(super) fn close(&mut self) {
        if let Some(segment) = self.segment.take() {
            // Nothing can be done about it, and the next write will tell.
            let _ = segment.file.sync_data();
        }
    }

    fn segment_bytes(&self) -> u64 {
        (self.max_bytes / SEGMENTS).max(1)
    }

    fn open_next(&mut self) -> io::Result<Segment> {
        self.make_room()?;
        let name = format!("{:010}.{EXTENSION}", self.next_number);
        let path = self.directory.join(name);
        let mut file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .open(path)?;
        self.next_number += 1;
        file.write_all(HEADER)?;
        let bytes = HEADER.len() as u64;
        Ok(Segment { file, bytes })
    }

    /// Deletes the oldest segments until a further one fits.
    fn make_room(&self) -> io::Result<()> {
        let mut sizes = Vec::new();
        for (_, path) in segments(&self.directory)? {
            let size = fs::metadata(&path)?.len();
            sizes.push((path, size));
        }
        let allowed = self.max_bytes.saturating_sub(self.segment_bytes());
        let mut total: u64 = sizes.iter().map(|(_, size)| size).sum();
        for (path, size) in sizes {
            if total <= allowed {
                break;
            }
            fs::remove_file(path)?;
            total -= size;
        }
        Ok(())
    }
}

/// Numbers and paths of the segments in `directory`, oldest first.
///
/// # Errors
/// When it cannot be listed.
pub(super) fn segments(directory: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let number = path
            .file_stem()
            .and_then(|stem| stem.to_str()?.parse().ok());
        let is_ours = path
            .extension()
            .is_some_and(|extension| extension == EXTENSION);
        if let (Some(number), true) = (number, is_ours) {
            found.push((number, path));
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(starts: bool) -> Block {
        // Random enough not to shrink.
        let raw = (0..1000u32).flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes());
        Block {
            raw: raw.collect(),
            starts,
        }
    }

    fn sizes(directory: &Path) -> Vec<u64> {
        let segments = segments(directory).unwrap();
        segments
            .iter()
            .map(|(_, path)| fs::metadata(path).unwrap().len())
            .collect()
    }

    #[test]
    fn the_size_is_bounded_and_the_oldest_segment_goes_first() {
        let directory = tempfile::tempdir().unwrap();
        let mut writer = Writer::new(directory.path(), 100_000).unwrap();
        let mut starts = true;
        for _ in 0..200 {
            let Written::Yes { wants_start, .. } = writer.write(&block(starts)).unwrap() else {
                panic!("a start came first");
            };
            starts = wants_start;
            let total: u64 = sizes(directory.path()).iter().sum();
            assert!(total < 100_000 + 5000, "{total}");
        }
        let kept = segments(directory.path()).unwrap();
        assert!(kept.len() >= 6 && kept[0].0 > 1, "{kept:?}");
    }

    #[test]
    fn another_run_begins_another_segment() {
        let directory = tempfile::tempdir().unwrap();
        for run in 1..=3 {
            let mut writer = Writer::new(directory.path(), 1 << 20).unwrap();
            writer.write(&block(true)).unwrap();
            writer.write(&block(false)).unwrap();
            assert_eq!(sizes(directory.path()).len(), run);
        }
    }

    #[test]
    fn nothing_is_written_that_refers_to_what_is_not_there() {
        let directory = tempfile::tempdir().unwrap();
        let mut writer = Writer::new(directory.path(), 1 << 20).unwrap();
        assert_eq!(writer.write(&block(false)).unwrap(), Written::Unusable);
        assert!(sizes(directory.path()).is_empty());
    }
}
