//! Charts as SVG: small, without dependencies on the data that they show.
//!
//! ```text
//! figures ─▶ TimeChart, BarChart, Spread ─▶ Frame ─▶ SVG for the page (fluid: any width, text keeps its size)
//!                                                └─▶ SVG for a picture (fixed width in pixels)
//! ```
//!
//! A chart is written once; [`frame::Frame`] places it either way. Colours and line styles come from classes
//! (`assets/chart.css`), so that the page can show the same SVG light and dark.

pub mod bars;
pub mod frame;
pub mod scale;
pub mod spread;
pub mod strip;
pub mod time;

/// Whose data a mark shows; decides its colour, dash and symbol, the same in every chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// Viperscale: blue, solid, circle.
    Viperscale,
    /// The HPA: orange, dashed, diamond.
    Hpa,
    /// The load: grey.
    Neutral,
    /// What the ViperProbe thesis published: grey.
    Thesis,
    /// Other tools that measure: orange, as the other rival.
    OtherTools,
}

impl Side {
    /// The CSS class of its marks.
    #[must_use]
    pub fn class(self) -> &'static str {
        match self {
            Self::Viperscale => "viperscale",
            Self::Hpa | Self::OtherTools => "hpa",
            Self::Neutral | Self::Thesis => "neutral",
        }
    }

    /// The word readers know it by.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Viperscale => "Viperscale",
            Self::Hpa => "HPA",
            Self::Neutral => "load",
            Self::Thesis => "ViperProbe (thesis)",
            Self::OtherTools => "other tools",
        }
    }
}
