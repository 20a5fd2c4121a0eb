//! How every benchmark hands over its result.

use std::fmt::Display;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

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
            fs::write(file, json()? + "\n")
                .with_context(|| format!("cannot write {}", file.display()))?;
        }
        None => print!("{result}"),
    }
    Ok(())
}
