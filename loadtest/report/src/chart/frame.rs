//! Places a chart: fluid on a page, fixed in a picture.
//!
//! Either way the origin is the plot's upper left corner, and what is left of the plot has negative coordinates.
//!
//! Fluid: the SVG is as wide as the plot, with CSS margins around it into which labels reach. Labels and marks sit at
//! percentages, so text keeps its size on a phone; curves live in a stretched view box, and CSS keeps their strokes
//! from being stretched (`vector-effect`). Fixed: the same numbers, in pixels, for renderers that know neither.

use maud::{Markup, html};

/// Units of a curve's horizontal coordinates, from the left to the right end of the plot, in fluid charts.
pub const PATH_UNITS: f64 = 1000.0;

/// How wide a chart is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Width {
    /// As wide as the page leaves it.
    Fluid,
    /// This many pixels.
    Fixed(f64),
}

/// The space left and right of the plot; CSS knows the fluid ones by class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Margins {
    /// Room for a value axis on the left: 46 and 14 pixels.
    Axis,
    /// Room for a value behind the longest bar: 4 and 110 pixels.
    Bars,
    /// A hair on both sides: 6 and 6 pixels.
    Bare,
}

impl Margins {
    /// Pixels on the left and on the right.
    #[must_use]
    pub fn pixels(self) -> (f64, f64) {
        match self {
            Self::Axis => (46.0, 14.0),
            Self::Bars => (4.0, 110.0),
            Self::Bare => (6.0, 6.0),
        }
    }

    fn class(self) -> &'static str {
        match self {
            Self::Axis => "axis-margins",
            Self::Bars => "bars-margins",
            Self::Bare => "bare-margins",
        }
    }
}

/// A chart's outer size and the plot within it; pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Frame {
    /// Outer width.
    pub width: Width,
    /// Space beside the plot.
    pub margins: Margins,
    /// Space above the plot.
    pub top: f64,
    /// Height of the plot.
    pub plot: f64,
    /// Space below the plot.
    pub bottom: f64,
}

impl Frame {
    /// Outer height.
    #[must_use]
    pub fn height(&self) -> f64 {
        self.top + self.plot + self.bottom
    }

    fn plot_width(&self) -> Option<f64> {
        match self.width {
            Width::Fluid => None,
            Width::Fixed(width) => {
                let (left, right) = self.margins.pixels();
                Some(width - left - right)
            }
        }
    }

    /// A horizontal position or width inside the plot, from 0 to 1, for marks and labels.
    #[must_use]
    pub fn x(&self, fraction: f64) -> String {
        match self.plot_width() {
            None => format!("{}%", short(fraction * 100.0)),
            Some(width) => short(fraction * width),
        }
    }

    /// A horizontal coordinate for the data of a curve, from 0 to 1.
    #[must_use]
    pub fn path_x(&self, fraction: f64) -> String {
        short(fraction * self.plot_width().unwrap_or(PATH_UNITS))
    }

    /// A vertical coordinate in the plot: 0 is the bottom, 1 the top.
    #[must_use]
    pub fn y(&self, fraction: f64) -> f64 {
        self.plot * (1.0 - fraction)
    }

    /// The whole chart. `label` is what a screen reader says of it; `content` has coordinates by [`Frame::x`] and
    /// [`Frame::y`].
    #[must_use]
    pub fn chart(&self, class: &str, label: &str, content: &Markup) -> Markup {
        let height = short(self.height());
        let (left, _) = self.margins.pixels();
        match self.width {
            Width::Fluid => html! {
                svg class={ "chart " (class) " " (self.margins.class()) } height=(height) role="img" aria-label=(label) {
                    g transform={ "translate(0 " (self.top) ")" } { (content) }
                }
            },
            Width::Fixed(_) => html! {
                g class={ "chart " (class) } transform={ "translate(" (left) " " (self.top) ")" } { (content) }
            },
        }
    }

    /// Curves inside the plot, with coordinates by [`Frame::path_x`] and [`Frame::y`].
    #[must_use]
    pub fn curves(&self, content: &Markup) -> Markup {
        match self.width {
            Width::Fluid => html! {
                svg class="curves" width="100%" height=(short(self.plot)) preserveAspectRatio="none"
                    viewBox={ "0 0 " (PATH_UNITS) " " (short(self.plot)) } { (content) }
            },
            Width::Fixed(_) => html! { g { (content) } },
        }
    }
}

/// A coordinate with at most two decimals.
#[must_use]
pub fn short(value: f64) -> String {
    let rounded = (value * 100.0).round() / 100.0;
    // Minus zero would be written with its sign.
    format!("{}", if rounded == 0.0 { 0.0 } else { rounded })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(width: Width) -> Frame {
        Frame {
            width,
            margins: Margins::Axis,
            top: 10.0,
            plot: 100.0,
            bottom: 20.0,
        }
    }

    #[test]
    fn fluid_positions_are_percentages_and_fixed_ones_pixels() {
        assert_eq!(frame(Width::Fluid).x(0.25), "25%");
        assert_eq!(frame(Width::Fixed(460.0)).x(0.25), "100");
        assert_eq!(frame(Width::Fluid).path_x(0.25), "250");
        assert_eq!(frame(Width::Fixed(460.0)).path_x(0.25), "100");
        assert_eq!(frame(Width::Fluid).y(1.0), 0.0);
    }

    #[test]
    fn labels_are_escaped() {
        let chart = frame(Width::Fluid).chart("a", "\"><script>", &html! {});
        assert!(!chart.into_string().contains("<script>"));
    }
}
