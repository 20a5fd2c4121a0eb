//! Results as files, JSON mostly: checked before a run, written whole or not at all after it.

use std::fmt::Display;
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Serialize;

/// Fails before a run when its result could not be written after it.
///
/// # Errors
/// When the file's folder does not exist or takes no files, or the file is a folder.
pub(crate) fn check_writable(file: &Path) -> Result<()> {
    check_writable_for("--json", file)
}

/// As [`check_writable`], for the option that names the file.
///
/// # Errors
/// As there.
pub(crate) fn check_writable_for(option: &str, file: &Path) -> Result<()> {
    if !folder_of(file).is_dir() {
        bail!(
            "{option} {}: there is no folder {}",
            file.display(),
            folder_of(file).display()
        );
    }
    if file.is_dir() {
        bail!(
            "{option} {}: that is a folder; name a file in it",
            file.display()
        );
    }
    // Results are written beside the file first; so rights, read-only and odd file systems show now.
    tempfile::NamedTempFile::new_in(folder_of(file))
        .with_context(|| format!("{option} {}: no file can be written there", file.display()))?;
    Ok(())
}

/// Writes `result` to `file`, which then holds all of it or what it held before.
///
/// # Errors
/// What the file system said.
pub(crate) fn write(file: &Path, result: &impl Serialize) -> Result<()> {
    let what = || format!("cannot write the result to {}", file.display());
    let mut json = serde_json::to_vec_pretty(result).with_context(what)?;
    json.push(b'\n');
    write_bytes(file, &json)
}

/// Writes `content` to `file`, which then holds all of it or what it held before.
///
/// # Errors
/// What the file system said.
pub(crate) fn write_bytes(file: &Path, content: &[u8]) -> Result<()> {
    let what = || format!("cannot write the result to {}", file.display());
    let mut temporary = tempfile::NamedTempFile::new_in(folder_of(file)).with_context(what)?;
    temporary.write_all(content).with_context(what)?;
    fs::set_permissions(temporary.path(), Permissions::from_mode(0o644)).with_context(what)?;
    temporary.persist(file).with_context(what)?;
    Ok(())
}

/// Fails before a run when [`print`] could not write to `file` after it.
///
/// # Errors
/// See [`check_writable`].
pub(crate) fn check_output(file: Option<&Path>) -> Result<()> {
    match file {
        Some(file) if file != Path::new("-") => check_writable(file),
        _ => Ok(()),
    }
}

/// Prints `result` for people and, if there is a `file`, writes it there as JSON; with the file `-`
/// only the JSON is printed.
///
/// # Errors
/// When the file cannot be written; by then the result has been printed.
pub(crate) fn print(result: &(impl Display + Serialize), file: Option<&Path>) -> Result<()> {
    let json = || serde_json::to_string_pretty(result).context("cannot write JSON");
    match file {
        Some(file) if file == Path::new("-") => println!("{}", json()?),
        Some(file) => {
            print!("{result}");
            write(file, result)?;
        }
        None => print!("{result}"),
    }
    Ok(())
}

fn folder_of(file: &Path) -> &Path {
    file.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_nowhere_is_noticed_before_the_run() {
        let message = check_writable(Path::new("/no/such/folder/file.json")).unwrap_err();
        assert!(
            message
                .to_string()
                .contains("there is no folder /no/such/folder")
        );
        // A folder that takes no files, whoever asks.
        let message = check_writable(Path::new("/proc/file.json")).unwrap_err();
        assert!(
            message.to_string().contains("no file can be written there"),
            "{message}"
        );
        let folder = tempfile::tempdir().unwrap();
        check_writable(&folder.path().join("file.json")).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(check_writable(Path::new("/tmp")).is_err());
    }
}
