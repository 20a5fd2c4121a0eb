//! Results as JSON: checked before a run, written whole or not at all after it.

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
/// When the file's folder does not exist, or the file is a folder.
pub(crate) fn check_writable(file: &Path) -> Result<()> {
    if !folder_of(file).is_dir() {
        bail!(
            "--json {}: there is no folder {}",
            file.display(),
            folder_of(file).display()
        );
    }
    if file.is_dir() {
        bail!(
            "--json {}: that is a folder; name a file in it",
            file.display()
        );
    }
    Ok(())
}

/// Writes `result` to `file`, which then holds all of it or what it held before.
///
/// # Errors
/// What the file system said.
pub(crate) fn write(file: &Path, result: &impl Serialize) -> Result<()> {
    let what = || format!("cannot write the result to {}", file.display());
    let mut temporary = tempfile::NamedTempFile::new_in(folder_of(file)).with_context(what)?;
    serde_json::to_writer_pretty(&mut temporary, result).with_context(what)?;
    temporary.write_all(b"\n").with_context(what)?;
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
        check_writable(Path::new("file.json")).unwrap();
        assert!(check_writable(Path::new("/tmp")).is_err());
    }
}
