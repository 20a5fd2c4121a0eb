//! A replay as a picture: for each deployment the replicas, and beneath them the leading metric with
//! both thresholds. SVG of our own, since a line in steps and a grid need no library with fonts.
//!
//! Colours are those of the comparison report, told apart with every common colour vision
//! deficiency; the recorded line is solid, the other dashed.

use std::fmt::Write;

use scaler_core::Unit;

use super::axis::{Scale, clock, time_step};
use super::report::{DeploymentReport, Report};
use super::story::Point;

const WIDTH: f64 = 900.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
const PLOT: f64 = WIDTH - LEFT - RIGHT;
const REPLICAS_HEIGHT: f64 = 170.0;
const METRIC_HEIGHT: f64 = 110.0;
/// Room for headings above, and for the axis below a panel.
const HEAD: f64 = 44.0;
const FOOT: f64 = 34.0;
/// Deployments in one picture; more are left out, and the picture says so.
const MOST_DEPLOYMENTS: usize = 50;

const STYLE: &str = "text{font:12px system-ui,sans-serif;fill:#1a1f27}.quiet{fill:#56606e;font-size:11px}\
    .end{text-anchor:end}.middle{text-anchor:middle}.title{font-weight:600;font-size:14px}\
    line{stroke:#dde1e7}.base{stroke:#8d97a5}path{fill:none;stroke-width:2;stroke-linejoin:round}\
    .recorded{stroke:#005fa8}.other{stroke:#b34a00;stroke-dasharray:6 3}\
    .value{stroke:#6a7482;stroke-width:1.5}text.recorded{fill:#005fa8;stroke:none}text.other{fill:#b34a00;stroke:none}";

/// The picture as an SVG document.
#[must_use]
pub fn svg(report: &Report) -> String {
    let shown = &report.deployments[..report.deployments.len().min(MOST_DEPLOYMENTS)];
    let each = HEAD + REPLICAS_HEIGHT + FOOT + METRIC_HEIGHT + FOOT;
    let height = each * shown.len() as f64 + 60.0;
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         role=\"img\" aria-label=\"{}\"><style>{STYLE}</style><rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#fff\"/>",
        escaped(&description(report))
    );
    for (index, deployment) in shown.iter().enumerate() {
        let _ = write!(
            out,
            "<g transform=\"translate(0 {})\">",
            each * index as f64
        );
        panel_pair(&mut out, deployment);
        out.push_str("</g>");
    }
    let left_out = report.deployments.len() - shown.len();
    let more = match left_out {
        0 => String::new(),
        more => format!("{more} further deployments are not drawn. "),
    };
    for (index, line) in wrapped(&format!("{more}{}", report.caveat))
        .iter()
        .enumerate()
    {
        let y = each * shown.len() as f64 + 20.0 + 15.0 * index as f64;
        text(&mut out, LEFT, y, "quiet", line);
    }
    out.push_str("</svg>\n");
    out
}

/// The picture in a page of its own, with the figures in words.
#[must_use]
pub fn html(report: &Report) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Replay of {title}</title><style>body{{font:15px system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}}\
         svg{{max-width:100%;height:auto}}pre{{overflow-x:auto;font-size:12px}}</style>\
         <h1>Replay of {title}</h1>{svg}<pre>{text}</pre></html>\n",
        title = escaped(&report.recording),
        svg = svg(report),
        text = escaped(&super::text::render(report, true)),
    )
}

fn description(report: &Report) -> String {
    let parts: Vec<String> = report
        .deployments
        .iter()
        .map(|deployment| {
            let recorded = deployment.recorded.peak;
            let other = deployment.would_be.as_ref();
            let other = other.map_or(String::new(), |side| {
                format!(", would have been {}", side.peak)
            });
            format!("{}: peak replicas {recorded}{other}", deployment.key())
        })
        .collect();
    format!("Replicas over time. {}", parts.join("; "))
}

fn panel_pair(out: &mut String, report: &DeploymentReport) {
    let points = &report.story.points;
    let end = points.last().map_or(1.0, |last| last.at.max(1.0));
    text(out, LEFT, 20.0, "title", &report.key());
    text(out, LEFT, 37.0, "recorded", "replicas, recorded");
    if report.would_be.is_some() {
        text(out, LEFT + 140.0, 37.0, "other", "would have been (dashed)");
    }
    let most = points
        .iter()
        .flat_map(|point| [Some(point.recorded), point.would_be])
        .flatten()
        .max()
        .unwrap_or(1);
    let replicas = Panel {
        top: HEAD,
        height: REPLICAS_HEIGHT,
        end,
        scale: Scale::up_to(f64::from(most), true),
    };
    replicas.grid(out, |value| format!("{value}"));
    let recorded = |point: &Point| Some(f64::from(point.recorded));
    replicas.curve(out, "recorded", points, recorded, true);
    replicas.curve(
        out,
        "other",
        points,
        |point| point.would_be.map(f64::from),
        true,
    );

    let top = HEAD + REPLICAS_HEIGHT + FOOT;
    let unit = unit_named(&report.story.unit);
    let largest = points
        .iter()
        .flat_map(|point| [point.value, point.threshold, point.other_threshold])
        .flatten()
        .filter(|value| value.is_finite())
        .fold(0.0, f64::max);
    let metric = Panel {
        top,
        height: METRIC_HEIGHT,
        end,
        scale: Scale::up_to(largest, false),
    };
    metric.grid(out, |value| match unit {
        Some(unit) if value > 0.0 => unit.format(value),
        _ => format!("{value}"),
    });
    let heading = format!("{}, with its thresholds", report.story.metric);
    text(out, LEFT, top - 4.0, "quiet", &heading);
    metric.curve(out, "value", points, |point| point.value, false);
    metric.curve(out, "recorded", points, |point| point.threshold, true);
    metric.curve(out, "other", points, |point| point.other_threshold, true);
}

/// One plot with its axes.
struct Panel {
    top: f64,
    height: f64,
    /// Seconds.
    end: f64,
    scale: Scale,
}

impl Panel {
    fn x(&self, at: f64) -> f64 {
        LEFT + PLOT * (at / self.end).clamp(0.0, 1.0)
    }

    fn y(&self, value: f64) -> f64 {
        self.top + self.height * (1.0 - (value / self.scale.max).clamp(0.0, 1.0))
    }

    fn grid(&self, out: &mut String, label: impl Fn(f64) -> String) {
        for value in self.scale.ticks() {
            let y = self.y(value);
            let class = if value == 0.0 { "base" } else { "grid" };
            let _ = write!(
                out,
                "<line class=\"{class}\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>",
                LEFT + PLOT
            );
            text(out, LEFT - 6.0, y + 4.0, "quiet end", &label(value));
        }
        let step = time_step(self.end);
        for tick in 0..=(self.end / step) as u32 {
            let at = f64::from(tick) * step;
            let y = self.top + self.height + 15.0;
            text(out, self.x(at), y, "quiet middle", &clock(at));
        }
    }

    /// A line through what `of` tells; it breaks where that is nothing.
    fn curve(
        &self,
        out: &mut String,
        class: &str,
        points: &[Point],
        of: impl Fn(&Point) -> Option<f64>,
        steps: bool,
    ) {
        let mut path = String::new();
        let mut before = None;
        for point in points {
            let Some(value) = of(point).filter(|value| value.is_finite()) else {
                before = None;
                continue;
            };
            let (x, y) = (self.x(point.at), self.y(value));
            let _ = match before {
                None => write!(path, "M{x:.1} {y:.1}"),
                // A level line needs no points between its ends, and those are drawn by H.
                Some(last) if steps && last == y => write!(path, "H{x:.1}"),
                Some(_) if steps => write!(path, "H{x:.1}V{y:.1}"),
                Some(_) => write!(path, "L{x:.1} {y:.1}"),
            };
            before = Some(y);
        }
        if !path.is_empty() {
            let _ = write!(out, "<path class=\"{class}\" d=\"{path}\"/>");
        }
    }
}

fn unit_named(name: &str) -> Option<Unit> {
    Some(match name {
        "ns" => Unit::Time,
        "bytes" => Unit::Bytes,
        "events" => Unit::Events,
        "share" => Unit::Share,
        "ns/s" => Unit::TimePerSecond,
        "bytes/s" => Unit::BytesPerSecond,
        "events/s" => Unit::EventsPerSecond,
        _ => return None,
    })
}

fn text(out: &mut String, x: f64, y: f64, class: &str, content: &str) {
    let content = escaped(content);
    let _ = write!(
        out,
        "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{content}</text>"
    );
}

/// Lines of at most some 130 characters.
fn wrapped(content: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in content.split_whitespace() {
        if let Some(line) = lines.last_mut() {
            if line.len() + word.len() < 130 {
                line.push_str(word);
                line.push(' ');
            } else {
                lines.push(format!("{word} "));
            }
        }
    }
    lines
}

/// Safe inside SVG and HTML, also in attributes.
fn escaped(content: &str) -> String {
    content.chars().fold(String::new(), |mut out, character| {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_out_of_the_picture() {
        assert_eq!(
            escaped("<a href=\"x\">&"),
            "&lt;a href=&quot;x&quot;&gt;&amp;"
        );
    }

    #[test]
    fn a_gap_breaks_the_line() {
        let point = |at, value| Point {
            at,
            recorded: 1,
            would_be: None,
            value,
            threshold: None,
            other_threshold: None,
        };
        let panel = Panel {
            top: 0.0,
            height: 100.0,
            end: 10.0,
            scale: Scale::up_to(10.0, false),
        };
        let points = [
            point(0.0, Some(5.0)),
            point(5.0, None),
            point(10.0, Some(5.0)),
        ];
        let mut out = String::new();
        panel.curve(&mut out, "value", &points, |point| point.value, false);
        assert_eq!(out.matches('M').count(), 2, "{out}");
    }
}
