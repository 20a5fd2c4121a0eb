//! How every benchmark hands over its result.

use std::fmt::Display;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::json_file;

/// Fails before a benchmark when [`print`] could not write to `file` after it.
///
/// # Errors
/// See [`json_file::check_writable`].
pub(super) fn check(file: Option<&Path>) -> Result<()> {
    match file {
        Some(file) if file != Path::new("-") => json_file::check_writable(file),
        _ => Ok(()),
    }
}

/// Prints `result` for people and, if there is a `file`, writes it there as JSON; with the file `-`
/// only the JSON is printed.
///
/// # Errors
/// When the file cannot be written; by then the result has been printed.
pub(super) fn print(result: &(impl Display + Serialize), file: Option<&Path>) -> Result<()> {
    let json = || serde_json::to_string_pretty(result).context("cannot write JSON");
    match file {
        Some(file) if file == Path::new("-") => println!("{}", json()?),
        Some(file) => {
            print!("{result}");
            json_file::write(file, result)?;
        }
        None => print!("{result}"),
    }
    Ok(())
}
