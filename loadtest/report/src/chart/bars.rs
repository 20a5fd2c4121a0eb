//! Horizontal bars in groups: one group per route or deployment, one bar per autoscaler, with its interval.

use maud::{Markup, html};

use super::Side;
use super::frame::{Frame, Margins, Width, short};
use super::scale::{Scale, number};

const ROW: f64 = 15.0;
const HEAD: f64 = 17.0;
const GAP: f64 = 10.0;

/// A bar.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// Whose.
    pub side: Side,
    /// Its length: a median.
    pub value: f64,
    /// The interval of the median, drawn as a whisker.
    pub interval: Option<(f64, f64)>,
    /// A published figure to stand beside, drawn as a hollow mark.
    pub published: Option<f64>,
}

/// Bars that belong together.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// What they are about.
    pub label: String,
    /// A remark behind the label; may be empty.
    pub remark: String,
    /// One per autoscaler.
    pub bars: Vec<Bar>,
}

/// A bar chart.
#[derive(Debug, Clone, PartialEq)]
pub struct BarChart {
    /// What a screen reader says of it.
    pub description: String,
    /// What the axis counts, with its unit.
    pub axis: String,
    /// From top to bottom.
    pub groups: Vec<Group>,
    /// Only whole ticks.
    pub whole: bool,
}

impl BarChart {
    fn group_height(group: &Group) -> f64 {
        HEAD + ROW * group.bars.len() as f64 + GAP
    }

    fn frame(&self, width: Width) -> Frame {
        let plot = self.groups.iter().map(Self::group_height).sum();
        Frame {
            width,
            margins: Margins::Bars,
            top: 4.0,
            plot,
            bottom: 36.0,
        }
    }

    /// The height of [`BarChart::svg`], pixels.
    #[must_use]
    pub fn outer_height(&self) -> f64 {
        self.frame(Width::Fluid).height()
    }

    /// The chart.
    #[must_use]
    pub fn svg(&self, width: Width) -> Markup {
        let frame = self.frame(width);
        let largest = self
            .groups
            .iter()
            .flat_map(|group| &group.bars)
            .flat_map(|bar| {
                [
                    Some(bar.value),
                    bar.interval.map(|(_, upper)| upper),
                    bar.published,
                ]
            })
            .flatten()
            .filter(|value| value.is_finite())
            .fold(0.0, f64::max);
        let scale = Scale::up_to(largest, 4, self.whole);
        let tops = self.groups.iter().scan(0.0, |next, group| {
            let top = *next;
            *next += Self::group_height(group);
            Some(top)
        });
        frame.chart(
            "bar-chart",
            &self.description,
            &html! {
                @for tick in scale.ticks() {
                    @let x = frame.x(scale.fraction(tick));
                    line class=(if tick == 0.0 { "base" } else { "grid" }) x1=(x) x2=(x) y1="0" y2=(frame.plot) {}
                    text class=(if tick == 0.0 { "tick" } else { "tick middle" }) x=(x) y=(short(frame.plot + 14.0)) {
                        (number(tick))
                    }
                }
                text class="axis-label" x="0" y=(short(frame.plot + 31.0)) { (self.axis) }
                @for (index, (group, top)) in self.groups.iter().zip(tops).enumerate() {
                    (self.group(&frame, &scale, group, top, index == 0))
                }
            },
        )
    }

    fn group(&self, frame: &Frame, scale: &Scale, group: &Group, top: f64, first: bool) -> Markup {
        html! {
            text class="group-label" x="0" y=(short(top + 12.0)) {
                (group.label)
                @if !group.remark.is_empty() { tspan class="remark" dx="8" { (group.remark) } }
            }
            @for (index, bar) in group.bars.iter().enumerate() {
                (self.bar(frame, scale, bar, top + HEAD + ROW * index as f64, first))
            }
        }
    }

    fn bar(&self, frame: &Frame, scale: &Scale, bar: &Bar, top: f64, first: bool) -> Markup {
        let middle = short(top + 5.5);
        let class = bar.side.class();
        let at = |value: f64| frame.x(scale.fraction(value));
        html! {
            @if bar.value > 0.0 {
                rect class={ "bar " (class) } x="0" y=(short(top)) width=(at(bar.value)) height="11" rx="1.5" {}
            }
            @if let Some((lower, upper)) = bar.interval {
                line class="whisker" x1=(at(lower)) x2=(at(upper)) y1=(middle) y2=(middle) {}
                line class="whisker" x1=(at(lower)) x2=(at(lower)) y1=(short(top + 2.5)) y2=(short(top + 8.5)) {}
                line class="whisker" x1=(at(upper)) x2=(at(upper)) y1=(short(top + 2.5)) y2=(short(top + 8.5)) {}
            }
            @if let Some(published) = bar.published {
                circle class={ "published " (class) } cx=(at(published)) cy=(middle) r="4.5" {}
            }
            text class={ "bar-value " (class) } x=(self.value_at(frame, scale, bar)) dx="14" y=(short(top + 9.5)) {
                @if bar.value.is_finite() { (number(bar.value)) } @else { "not measured" }
                @if first { " " (bar.side.name()) }
            }
        }
    }

    /// Behind the bar; in a column of their own where a published mark could be taken for it.
    fn value_at(&self, frame: &Frame, scale: &Scale, bar: &Bar) -> String {
        if self
            .groups
            .iter()
            .flat_map(|group| &group.bars)
            .any(|bar| bar.published.is_some())
        {
            return frame.x(1.0);
        }
        frame.x(scale.fraction(
            bar.interval
                .map_or(bar.value, |(_, upper)| upper.max(bar.value)),
        ))
    }
}
