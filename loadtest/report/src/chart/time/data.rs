//! What the page's script needs of a chart, as short as it can be said.

use serde::Serialize;

use super::{Grid, Shape, TimeChart};

/// What the page's script needs of a chart for read-outs and the trial selector.
#[derive(Debug, Serialize)]
pub struct ChartData {
    unit: &'static str,
    grid: Grid,
    max: f64,
    height: f64,
    steps: bool,
    series: Vec<SeriesData>,
}

#[derive(Debug, Serialize)]
struct SeriesData {
    side: &'static str,
    name: String,
    middle: ValuesData,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    trials: Vec<(u32, ValuesData)>,
}

/// Values with three significant digits, which are enough to read out; none is null.
#[derive(Debug, PartialEq, Serialize)]
#[serde(untagged)]
enum ValuesData {
    /// Each.
    Flat(Vec<Option<f64>>),
    /// How many there are of a value, the value, and so on: shorter for what changes in steps.
    Runs { runs: Vec<Option<f64>> },
}

impl TimeChart {
    /// What the page's script needs.
    #[must_use]
    pub fn data(&self) -> ChartData {
        let values = |values: &[f64]| match self.shape {
            Shape::Line => ValuesData::Flat(readable(values)),
            Shape::Step => ValuesData::Runs {
                runs: in_runs(&readable(values)),
            },
        };
        let series = self.series.iter().map(|series| SeriesData {
            side: series.side.class(),
            name: series.name.clone(),
            middle: values(&series.middle),
            trials: series
                .trials
                .iter()
                .map(|(number, trial)| (*number, values(trial)))
                .collect(),
        });
        ChartData {
            unit: self.unit,
            grid: self.grid,
            max: self.scale().max,
            height: self.height,
            steps: self.shape == Shape::Step,
            series: series.collect(),
        }
    }
}

/// Equal neighbours put together: count, value, count, value.
fn in_runs(values: &[Option<f64>]) -> Vec<Option<f64>> {
    let runs = values.chunk_by(|a, b| a == b);
    runs.flat_map(|run| [Some(run.len() as f64), run.first().copied().flatten()])
        .collect()
}

/// Three significant digits; none for what is not a number.
fn readable(values: &[f64]) -> Vec<Option<f64>> {
    let round = |value: f64| {
        if value == 0.0 {
            return 0.0;
        }
        let unit = 10_f64.powf(value.abs().log10().floor() - 2.0);
        if unit >= 1.0 {
            value.round()
        } else {
            (value / unit).round() / (1.0 / unit).round()
        }
    };
    values
        .iter()
        .map(|value| value.is_finite().then(|| round(*value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_count_equal_neighbours() {
        let runs = in_runs(&[None, Some(1.0), Some(1.0), Some(2.0)]);
        assert_eq!(
            runs,
            [Some(1.0), None, Some(2.0), Some(1.0), Some(1.0), Some(2.0)]
        );
    }

    #[test]
    fn read_outs_have_three_digits() {
        let read = readable(&[0.0, 12_345.6, 0.012_345, 1.0 / 3.0, f64::NAN]);
        assert_eq!(
            read,
            [Some(0.0), Some(12_346.0), Some(0.0123), Some(0.333), None]
        );
    }
}
