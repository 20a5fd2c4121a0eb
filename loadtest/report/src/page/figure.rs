//! Parts that figures share.

use comparison::statistics::Estimate;
use maud::{Markup, html};

use crate::text::{interval, median};

/// A figure: what one sees, the charts, how it was measured, and the values as a table.
pub(super) struct Figure<'a> {
    /// Says what one sees.
    pub(super) title: &'a str,
    /// How it was measured.
    pub(super) caption: Markup,
    /// The charts.
    pub(super) charts: Markup,
    /// The values, for those who prefer numbers; may be empty.
    pub(super) table: Option<Markup>,
    /// The charts share the time cursor.
    pub(super) time: bool,
}

impl Figure<'_> {
    pub(super) fn markup(&self) -> Markup {
        html! {
            figure {
                h3 { (self.title) }
                @if self.time {
                    div class="charts" data-cursor role="group" tabindex="0" aria-label={
                        (self.title) ". Left and right arrow keys move the time cursor, up and down go from decision to decision."
                    } { (self.charts) }
                } @else {
                    (self.charts)
                }
                figcaption { (self.caption) }
                @if let Some(table) = &self.table {
                    details class="values" {
                        summary { "Values as a table" }
                        (table)
                    }
                }
            }
        }
    }
}

/// A table that scrolls inside its own box, which the keyboard can reach.
pub(super) fn scrolling(label: &str, table: &Markup) -> Markup {
    html! { div class="scroll" role="region" tabindex="0" aria-label=(label) { (table) } }
}

/// A median with its interval.
pub(super) fn estimate(estimate: &Estimate, unit: &str) -> Markup {
    html! {
        span class="median" { (median(estimate, unit)) } " "
        span class="interval" { (interval(estimate)) }
        @if estimate.at_least > 0 {
            " " span class="bound" { (estimate.at_least) " of " (estimate.trials) " not reached" }
        }
    }
}

/// The key to bars; `published` are the rings.
pub(super) fn bars_key(published: Option<&str>) -> Markup {
    html! {
        ul class="key" aria-label="Key" {
            li class="viperscale" { span class="swatch block" aria-hidden="true" {} "Viperscale, the upper bar" }
            li class="hpa" { span class="swatch block" aria-hidden="true" {} "HPA, the lower bar" }
            @if let Some(published) = published { li { span class="swatch ring" aria-hidden="true" {} (published) } }
        }
    }
}

/// The key to decisions.
pub(super) fn signs_key() -> Markup {
    html! {
        ul class="key" aria-label="Key" {
            li class="viperscale" { span class="signs" aria-hidden="true" { "\u{25b2}\u{25bc}" } " Viperscale, more and fewer replicas" }
            li class="hpa" { span class="signs" aria-hidden="true" { "\u{25b3}\u{25bd}" } " HPA, more and fewer replicas" }
        }
    }
}

/// The key to colours, dashes and bands.
pub(super) fn key(optimum: bool, band: bool) -> Markup {
    html! {
        ul class="key" aria-label="Key" {
            li class="viperscale" { span class="swatch line" aria-hidden="true" {} "Viperscale" }
            li class="hpa" { span class="swatch line" aria-hidden="true" {} "HPA" }
            @if optimum { li class="neutral" { span class="swatch line" aria-hidden="true" {} "offline optimum" } }
            @if band { li { span class="swatch area" aria-hidden="true" {} "lowest to highest trial" } }
        }
    }
}
