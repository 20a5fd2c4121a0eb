//! A comparison as files: JSON for programs, CSV for spreadsheets.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Comparison, Metric, TrialView};

/// A file of a comparison that cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {path}: {source}", path = path.display())]
pub struct FileError {
    /// `write` or `read`.
    pub action: &'static str,
    /// Which.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

impl Comparison {
    /// Writes `comparison.json`, `measures.csv` and `series.csv` into `dir`, which must exist. Each replaces an earlier one at
    /// once and whole.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn write(&self, dir: &Path) -> Result<Vec<PathBuf>, FileError> {
        let json = serde_json::to_vec_pretty(self).map_err(io::Error::from);
        let files = [
            ("comparison.json", json),
            ("measures.csv", self.measures_csv()),
            ("series.csv", self.series_csv()),
        ];
        files
            .into_iter()
            .map(|(name, content)| {
                let path = dir.join(name);
                let partial = path.with_extension("partial");
                content
                    .and_then(|content| fs::write(&partial, content))
                    .and_then(|()| fs::rename(&partial, &path))
                    .map_err(|source| FileError {
                        action: "write",
                        path: path.clone(),
                        source,
                    })?;
                Ok(path)
            })
            .collect()
    }

    /// Reads what [`Comparison::write`] wrote to `comparison.json`.
    ///
    /// # Errors
    /// When the file cannot be read, or is of another version of this program.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let comparison = fs::read(path).and_then(|bytes| {
            let comparison: Self = serde_json::from_slice(&bytes)?;
            if comparison.schema_version == Self::SCHEMA_VERSION {
                return Ok(comparison);
            }
            let message = format!(
                "it has schema version {}, this program reads {}",
                comparison.schema_version,
                Self::SCHEMA_VERSION
            );
            Err(io::Error::new(io::ErrorKind::InvalidData, message))
        });
        comparison.map_err(|source| FileError {
            action: "read",
            path: path.to_owned(),
            source,
        })
    }

    /// One row per trial and measure. `at_least` marks values that are only lower bounds.
    fn measures_csv(&self) -> io::Result<Vec<u8>> {
        let mut rows = Rows::new(&[
            "scenario",
            "trial",
            "autoscaler",
            "seed",
            "measure",
            "of",
            "unit",
            "value",
            "at_least",
        ])?;
        let timeout_ms = self.scenario.load.page_timeout_seconds * 1000.0;
        for view in &self.trials {
            let mut row = |measure: &str, of: &str, unit: &str, value: f64, at_least: bool| {
                rows.write([
                    self.scenario.name.clone(),
                    view.key.trial.to_string(),
                    view.key.autoscaler.slug().to_owned(),
                    view.seed.to_string(),
                    measure.to_owned(),
                    of.to_owned(),
                    unit.to_owned(),
                    value.to_string(),
                    at_least.to_string(),
                ])
            };
            for metric in Metric::ALL {
                let Some(value) = metric.value(&view.measures, timeout_ms) else {
                    continue;
                };
                row(
                    metric.slug(),
                    "all",
                    metric.unit(),
                    value.number,
                    value.at_least,
                )?;
            }
            let before = f64::from(view.measures.reaction.patches_before_step);
            row("patches_before_step", "all", "", before, false)?;
            row("cpu_seconds", "all", "s", view.measures.cpu_seconds, false)?;
            for (route, measures) in &view.measures.routes {
                row("requests", route, "", measures.requests as f64, false)?;
                row(
                    "failed_requests",
                    route,
                    "",
                    measures.failed_requests as f64,
                    false,
                )?;
                if let Some(latency) = measures.latency {
                    row("latency_p50", route, "ms", latency.p50_ms, false)?;
                    row("latency_p95", route, "ms", latency.p95_ms, false)?;
                    row("latency_p99", route, "ms", latency.p99_ms, false)?;
                }
            }
            for (name, measures) in &view.measures.deployments {
                let peak = f64::from(measures.peak_replicas);
                let changes = f64::from(measures.direction_changes);
                row(
                    "replica_seconds",
                    name,
                    "replica-s",
                    measures.replica_seconds,
                    false,
                )?;
                row(
                    "over_provisioned",
                    name,
                    "replica-s",
                    measures.over_replica_seconds,
                    false,
                )?;
                row(
                    "under_provisioned",
                    name,
                    "replica-s",
                    measures.under_replica_seconds,
                    false,
                )?;
                row("cpu_seconds", name, "s", measures.cpu_seconds, false)?;
                row("peak_replicas", name, "", peak, false)?;
                row("direction_changes", name, "", changes, false)?;
            }
        }
        rows.finish()
    }

    /// One row per trial, series and moment.
    fn series_csv(&self) -> io::Result<Vec<u8>> {
        let mut rows = Rows::new(&["trial", "autoscaler", "series", "of", "at_seconds", "value"])?;
        for view in &self.trials {
            view.series(&mut |series, of, at, value| {
                rows.write([
                    view.key.trial.to_string(),
                    view.key.autoscaler.slug().to_owned(),
                    series.to_owned(),
                    of.to_owned(),
                    at.to_string(),
                    value.to_string(),
                ])
            })?;
        }
        rows.finish()
    }
}

impl TrialView {
    /// Hands over every point: series, of what, when, value.
    fn series(
        &self,
        row: &mut dyn FnMut(&str, &str, f64, f64) -> io::Result<()>,
    ) -> io::Result<()> {
        for point in &self.load {
            row(
                "planned_users",
                "all",
                point.at,
                f64::from(point.planned_users),
            )?;
            row("users", "all", point.at, f64::from(point.users))?;
            row("requests", "all", point.at, point.requests as f64)?;
            row(
                "failed_requests",
                "all",
                point.at,
                point.failed_requests as f64,
            )?;
        }
        for (name, points) in &self.replicas {
            for point in points {
                row("desired_replicas", name, point.at, f64::from(point.desired))?;
                row("ready_replicas", name, point.at, f64::from(point.ready))?;
            }
        }
        for (name, points) in &self.cpu {
            for point in points {
                row("cpu_cores", name, point.at, point.cores)?;
            }
        }
        for (route, measures) in &self.measures.routes {
            for bin in &measures.bins {
                if let Some(latency) = bin.latency {
                    row("latency_p50_ms", route, bin.at, latency.p50_ms)?;
                    row("latency_p95_ms", route, bin.at, latency.p95_ms)?;
                    row("latency_p99_ms", route, bin.at, latency.p99_ms)?;
                }
            }
        }
        Ok(())
    }
}

/// CSV in memory.
struct Rows(csv::Writer<Vec<u8>>);

impl Rows {
    fn new(head: &[&str]) -> io::Result<Self> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(head)?;
        Ok(Self(writer))
    }

    fn write<const N: usize>(&mut self, row: [String; N]) -> io::Result<()> {
        Ok(self.0.write_record(row)?)
    }

    fn finish(self) -> io::Result<Vec<u8>> {
        self.0.into_inner().map_err(|error| error.into_error())
    }
}
