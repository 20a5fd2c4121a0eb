//! Pictures: charts laid out on a sheet with title, legend and caption, and drawn to PNG.
//!
//! Drawn by resvg with the font that is compiled in, so that a picture is the same on every machine.

use std::sync::{Arc, LazyLock};

use maud::{Markup, PreEscaped, html};
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::fontdb::{Database, Source};
use resvg::usvg::{Options, Tree};

use crate::chart::Side;
use crate::chart::frame::short;
use crate::palette;
use crate::text::without_controls;

/// Width of a sheet in SVG units; pictures have two pixels for each.
pub const SHEET: f64 = 1000.0;
/// Distance of anything to the sheet's edge.
const EDGE: f64 = 28.0;
const PIXELS_PER_UNIT: f32 = 2.0;
const LINE: f64 = 16.0;
/// At the caption's size; measured on running text, rounded up.
const CHARACTERS_PER_LINE: usize = 155;

/// Why a picture could not be drawn.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// The SVG that this crate wrote was refused: a bug here.
    #[error("the picture's SVG is not valid: {0}")]
    Svg(#[from] resvg::usvg::Error),
    /// Too large to allocate.
    #[error("a picture of {0} x {1} pixels is too large")]
    Size(u32, u32),
    /// The encoder failed.
    #[error("encoding PNG: {0}")]
    Encode(String),
}

/// One chart on a sheet.
pub struct Part {
    /// The chart, `width` wide and `height` high.
    pub svg: Markup,
    /// Which column of the sheet, and of how many.
    pub column: (usize, usize),
    /// Units.
    pub height: f64,
}

/// The sides of a comparison of autoscalers.
pub const AUTOSCALERS: &[Side] = &[Side::Viperscale, Side::Hpa];

/// Charts with what makes them understandable when they are seen alone.
pub struct Sheet {
    /// Whose data it shows, for the legend.
    pub sides: &'static [Side],
    /// What one sees.
    pub title: String,
    /// How it was measured.
    pub caption: String,
    /// Rows of charts, each as high as its highest.
    pub rows: Vec<Vec<Part>>,
}

/// Width of a column when a sheet has `columns` of them.
#[must_use]
pub fn column_width(columns: usize) -> f64 {
    (SHEET - 2.0 * EDGE - 20.0 * (columns.saturating_sub(1)) as f64) / columns.max(1) as f64
}

impl Sheet {
    /// The whole sheet as a stand-alone SVG.
    #[must_use]
    pub fn svg(&self) -> String {
        let mut y = 86.0;
        let mut placed = Vec::new();
        for row in &self.rows {
            for part in row {
                let (index, columns) = part.column;
                let x = EDGE + (column_width(columns) + 20.0) * index as f64;
                placed.push((x, y, &part.svg));
            }
            y += row.iter().map(|part| part.height).fold(0.0, f64::max) + 10.0;
        }
        let lines = wrapped(&self.caption, CHARACTERS_PER_LINE);
        let height = y + 12.0 + LINE * lines.len() as f64 + 12.0;
        let style = palette::written_out(concat!(
            include_str!("../assets/chart.css"),
            "svg text{font-family:Inter;font-size:11px;fill:var(--quiet)}\
             .sheet-title{font-size:20px;font-weight:600;fill:var(--text)}\
             .legend{font-size:13px;fill:var(--text)}"
        ));
        let (width, height) = (short(SHEET), short(height));
        let svg = html! {
            svg xmlns="http://www.w3.org/2000/svg" width=(width) height=(height) viewBox={ "0 0 " (width) " " (height) } {
                style { (PreEscaped(style)) }
                rect width=(width) height=(height) fill=(colour("page")) {}
                text class="sheet-title" x=(EDGE) y="42" { (self.title) }
                (legend(self.sides, EDGE, 66.0))
                @for (x, y, svg) in &placed {
                    g transform={ "translate(" (short(*x)) " " (short(*y)) ")" } { (svg) }
                }
                @for (index, line) in lines.iter().enumerate() {
                    text x=(EDGE) y=(short(y + 14.0 + LINE * index as f64)) { (line) }
                }
            }
        };
        without_controls(&svg.into_string())
    }

    /// The sheet as PNG.
    ///
    /// # Errors
    ///
    /// [`PictureError`]: only by a bug, or when memory is short.
    pub fn png(&self) -> Result<Vec<u8>, PictureError> {
        let options = Options {
            fontdb: Arc::clone(&FONTS),
            font_family: "Inter".to_owned(),
            ..Options::default()
        };
        let tree = Tree::from_str(&self.svg(), &options)?;
        let size = tree.size();
        let pixels = |length: f32| (length * PIXELS_PER_UNIT).ceil() as u32;
        let (width, height) = (pixels(size.width()), pixels(size.height()));
        let mut pixmap = Pixmap::new(width, height).ok_or(PictureError::Size(width, height))?;
        let scale = Transform::from_scale(PIXELS_PER_UNIT, PIXELS_PER_UNIT);
        resvg::render(&tree, scale, &mut pixmap.as_mut());
        pixmap
            .encode_png()
            .map_err(|error| PictureError::Encode(error.to_string()))
    }
}

static FONTS: LazyLock<Arc<Database>> = LazyLock::new(|| {
    let mut fonts = Database::new();
    for font in [
        &include_bytes!("../assets/fonts/Inter-Regular.otf")[..],
        &include_bytes!("../assets/fonts/Inter-SemiBold.otf")[..],
    ] {
        fonts.load_font_source(Source::Binary(Arc::new(font)));
    }
    Arc::new(fonts)
});

fn colour(name: &str) -> String {
    palette::written_out(&format!("var(--{name})"))
}

fn legend(sides: &[Side], x: f64, y: f64) -> Markup {
    html! {
        g transform={ "translate(" (short(x)) " " (short(y)) ")" } {
            @for (index, side) in sides.iter().enumerate() {
                @let at = 130.0 * index as f64;
                g class="chart" { path class={ "curve " (side.class()) } d={ "M" (at) " -4h28" } {} }
                text class="legend" x=(at + 36.0) y="0" { (side.name()) }
            }
        }
    }
}

/// `text` in lines of at most `width` characters, broken at spaces.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet(title: &str) -> Sheet {
        Sheet {
            sides: AUTOSCALERS,
            title: title.to_owned(),
            caption: "How it was measured.".to_owned(),
            rows: Vec::new(),
        }
    }

    #[test]
    fn a_picture_decodes_and_shows_text() {
        let picture = Pixmap::decode_png(&sheet("Replicas & load").png().unwrap()).unwrap();
        assert_eq!(picture.width(), 2000);
        let blank = Pixmap::decode_png(&sheet("").png().unwrap()).unwrap();
        assert_ne!(picture.data(), blank.data(), "the font draws");
    }

    #[test]
    fn names_from_outside_cannot_break_the_svg() {
        sheet("</text><script>&\"'\u{0}\u{1b}").png().unwrap();
    }

    #[test]
    fn captions_wrap_at_spaces() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
    }
}
