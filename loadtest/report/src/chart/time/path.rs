//! Values as the data of SVG paths.

use super::{Shape, TimeChart};
use crate::chart::frame::Frame;
use crate::chart::scale::Scale;

impl TimeChart {
    /// One run of points for each stretch without gaps; `(x, y)` in path coordinates, corners of steps included.
    fn runs(&self, frame: &Frame, scale: &Scale, values: &[f64]) -> Vec<Vec<(f64, f64)>> {
        let span = self.grid.points.saturating_sub(1).max(1) as f64;
        let mut runs = vec![Vec::new()];
        for (index, value) in values.iter().enumerate().take(self.grid.points) {
            if !value.is_finite() {
                runs.push(Vec::new());
                continue;
            }
            let point = (index as f64 / span, frame.y(scale.fraction(*value)));
            if let Some(run) = runs.last_mut() {
                if let (Shape::Step, Some(&(_, before))) = (self.shape, run.last())
                    && before != point.1
                {
                    run.push((point.0, before));
                }
                run.push(point);
            }
        }
        runs.retain(|run| !run.is_empty());
        for run in &mut runs {
            drop_points_on_level_lines(run);
        }
        runs
    }

    pub(super) fn line_path(&self, frame: &Frame, scale: &Scale, values: &[f64]) -> String {
        let runs = self.runs(frame, scale, values);
        runs.iter()
            .map(|run| format!("M{}", joined(frame, run.iter())))
            .collect()
    }

    pub(super) fn band_path(
        &self,
        frame: &Frame,
        scale: &Scale,
        lower: &[f64],
        upper: &[f64],
    ) -> String {
        let (lower, upper) = (
            self.runs(frame, scale, lower),
            self.runs(frame, scale, upper),
        );
        upper
            .iter()
            .zip(&lower)
            .map(|(upper, lower)| {
                format!(
                    "M{}L{}Z",
                    joined(frame, upper.iter()),
                    joined(frame, lower.iter().rev())
                )
            })
            .collect()
    }
}

fn joined<'a>(frame: &Frame, points: impl Iterator<Item = &'a (f64, f64)>) -> String {
    let points: Vec<String> = points
        .map(|(x, y)| format!("{} {}", frame.path_x(*x), (y * 10.0).round() / 10.0))
        .collect();
    points.join("L")
}

/// Between two points of the same height, a third of that height draws nothing.
fn drop_points_on_level_lines(run: &mut Vec<(f64, f64)>) {
    let mut kept: Vec<(f64, f64)> = Vec::with_capacity(run.len());
    for point in run.drain(..) {
        if let [.., (_, a), (_, b)] = kept[..]
            && a == b
            && b == point.1
        {
            kept.pop();
        }
        kept.push(point);
    }
    *run = kept;
}

#[cfg(test)]
mod tests {
    use super::super::tests::chart;
    use super::*;
    use crate::chart::frame::{Margins, Width};

    fn path(chart: &TimeChart) -> String {
        let frame = Frame {
            width: Width::Fluid,
            margins: Margins::Axis,
            top: 0.0,
            plot: 100.0,
            bottom: 0.0,
        };
        chart.line_path(&frame, &chart.scale(), &chart.series[0].middle)
    }

    #[test]
    fn a_step_holds_until_the_next_and_level_points_are_left_out() {
        assert_eq!(
            path(&chart(Shape::Step, vec![1.0, 1.0, 1.0, 2.0, 2.0])),
            "M0 50L750 50L750 0L1000 0"
        );
    }

    #[test]
    fn a_gap_breaks_the_line() {
        assert_eq!(
            path(&chart(Shape::Line, vec![0.0, 1.0, f64::NAN, 1.0, 0.0])),
            "M0 100L250 0M750 0L1000 100"
        );
    }
}
