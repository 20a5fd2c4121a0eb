//! Draws a comparison of two autoscalers: one HTML page that needs nothing else, and the key figures as pictures.
//!
//! ```text
//!  Comparison ─▶ figures (what is drawn) ─▶ chart (how: SVG) ─▶ page      ─▶ report.html
//!                                                            └▶ pictures  ─▶ *.png
//!             ─▶ its own JSON and CSV
//! ```
//!
//! All of it is pure but [`write_report`]. The page loads nothing: its security policy forbids it, styles and
//! script are inline and allowed by their hash, and every name that comes from outside is escaped.

pub mod palette;

pub mod chart;

pub mod text;

pub mod figures;

pub mod page;

pub mod picture;

pub mod pictures;

mod write;

use std::path::{Path, PathBuf};

use comparison::Comparison;

pub use write::WriteError;

/// The name of the page.
pub const PAGE: &str = "report.html";

/// What [`write_report`] has written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The page.
    pub page: PathBuf,
    /// The pictures.
    pub pictures: Vec<PathBuf>,
    /// JSON and CSV.
    pub data: Vec<PathBuf>,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// JSON or CSV could not be written.
    #[error(transparent)]
    Data(#[from] comparison::comparison::FileError),
    /// A picture could not be drawn.
    #[error("cannot draw {name}: {source}")]
    Picture {
        /// Its file name.
        name: &'static str,
        /// Why.
        source: picture::PictureError,
    },
}

/// Writes the page, the pictures and the data into `directory`, which is made if it is missing. Every file appears
/// whole or not at all; files of an earlier report are replaced.
///
/// # Errors
///
/// [`ReportError`] names the file; what was written before it stays.
pub fn write_report(comparison: &Comparison, directory: &Path) -> Result<Written, ReportError> {
    write::make(directory)?;
    let page = write::atomically(directory, PAGE, page::page(comparison).as_bytes())?;
    let mut pictures = Vec::new();
    for (name, sheet) in pictures::sheets(comparison) {
        let png = sheet
            .png()
            .map_err(|source| ReportError::Picture { name, source })?;
        pictures.push(write::atomically(directory, name, &png)?);
    }
    Ok(Written {
        page,
        pictures,
        data: comparison.write(directory)?,
    })
}
