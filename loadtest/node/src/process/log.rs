//! A container's output on disk, bounded: the current file and the one before it.

use std::fs::File;
use std::io::{self, PipeWriter, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;

/// Read at most this much at a time.
const CHUNK: usize = 16 * 1024;

/// A pipe whose writing end becomes a container's stdout and stderr.
///
/// # Errors
/// When the process is out of file descriptors.
pub(crate) fn pipe() -> io::Result<(Receiver, PipeWriter)> {
    let (reader, writer) = io::pipe()?;
    Ok((Receiver::from_owned_fd(OwnedFd::from(reader))?, writer))
}

/// A file that starts anew when it is full, keeping one predecessor as `<name>.1`: at most twice
/// the limit is on disk.
#[derive(Debug)]
pub(crate) struct LogFile {
    path: PathBuf,
    file: File,
    written: u64,
    max_bytes: u64,
}

impl LogFile {
    /// Makes the file, and the directories above it, anew.
    ///
    /// # Errors
    /// When the file system refuses.
    pub(crate) fn create(path: &Path, max_bytes: u64) -> io::Result<Self> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let file = File::create(path)?;
        Ok(Self {
            path: path.to_owned(),
            file,
            written: 0,
            max_bytes,
        })
    }

    /// Copies everything from `source` until its last writer closes it. When the disk refuses, output
    /// is read on and thrown away, so that the container does not block on a full pipe.
    pub(crate) async fn copy_from(mut self, mut source: Receiver) {
        let mut buffer = vec![0; CHUNK];
        let mut failing = false;
        loop {
            let length = match source.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(length) => length,
            };
            // A write to the page cache of at most 16 KiB: shorter than a hop to another thread.
            match self.write(&buffer[..length]) {
                Ok(()) => failing = false,
                Err(error) if !failing => {
                    tracing::warn!(path = %self.path.display(), %error, "container output is lost");
                    failing = true;
                }
                Err(_) => {}
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let length = bytes.len() as u64;
        if self.written > 0 && self.written + length > self.max_bytes {
            let mut older = self.path.clone().into_os_string();
            older.push(".1");
            std::fs::rename(&self.path, older)?;
            self.file = File::create(&self.path)?;
            self.written = 0;
        }
        self.file.write_all(bytes)?;
        self.written += length;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn keeps_the_end_of_the_output() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("web/0.log");
        let log = LogFile::create(&path, 1_000).unwrap();
        let (reader, mut writer) = pipe().unwrap();
        let copy = tokio::spawn(log.copy_from(reader));
        tokio::task::spawn_blocking(move || {
            for line in 0..500 {
                writeln!(writer, "line {line:04}").unwrap();
            }
        })
        .await
        .unwrap();
        copy.await.unwrap();
        let current = std::fs::read_to_string(&path).unwrap();
        assert!(current.ends_with("line 0499\n"));
        assert!(
            current.len() <= CHUNK,
            "one chunk may exceed a tiny limit, two may not"
        );
    }

    #[test]
    fn starts_anew_when_full() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("0.log");
        let mut log = LogFile::create(&path, 10).unwrap();
        for word in ["aaaaaa", "bbbbbb", "cccccc"] {
            log.write(word.as_bytes()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "cccccc");
        assert_eq!(
            std::fs::read_to_string(directory.path().join("0.log.1")).unwrap(),
            "bbbbbb"
        );
    }
}
