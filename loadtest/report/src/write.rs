//! Files appear whole or not at all: written beside their place under another name, then renamed.

use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Writing a file failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {source}; is the folder there, writable, and the disk not full?", path.display())]
pub struct WriteError {
    path: PathBuf,
    source: std::io::Error,
}

/// Makes the folder and those above it, where they are missing.
///
/// # Errors
///
/// [`WriteError`] names the folder.
pub(crate) fn make(directory: &Path) -> Result<(), WriteError> {
    std::fs::create_dir_all(directory).map_err(|source| WriteError {
        path: directory.to_owned(),
        source,
    })
}

/// Writes `content` as `directory/name`, replacing what is there.
///
/// # Errors
///
/// [`WriteError`], and the old file, if any, is as it was.
pub(crate) fn atomically(
    directory: &Path,
    name: &str,
    content: &[u8],
) -> Result<PathBuf, WriteError> {
    let path = directory.join(name);
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::Builder::new()
            .prefix(".report-")
            .tempfile_in(directory)?;
        file.write_all(content)?;
        file.as_file().sync_all()?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            // Temporary files are private; a report is for whoever may see its folder.
            file.as_file()
                .set_permissions(std::fs::Permissions::from_mode(0o644))?;
        }
        file.persist(&path)?;
        Ok(())
    };
    match write() {
        Ok(()) => Ok(path),
        Err(source) => Err(WriteError { path, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_nothing_else_is_left() {
        let directory = tempfile::tempdir().unwrap();
        atomically(directory.path(), "a.html", b"one").unwrap();
        let path = atomically(directory.path(), "a.html", b"two").unwrap();
        assert_eq!(std::fs::read(path).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_missing_folder_is_named() {
        let error = atomically(Path::new("/nowhere/at/all"), "a.html", b"").unwrap_err();
        assert!(
            error.to_string().contains("/nowhere/at/all/a.html"),
            "{error}"
        );
    }
}
