//! Where the table goes: a terminal that is redrawn, plain lines, or JSON.

use std::io::{self, Write};

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::execute;
use crossterm::terminal::{Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen};
use serde_json::json;

use super::figures::title;
use super::row::Row;
use crate::kernel::Metric;
use crate::monitor::Interval;

/// What tells containers apart.
const NAMES: [&str; 3] = ["POD", "CONTAINER", "COMMAND"];

const NO_CONTAINER: &str = "no container of a pod runs here; name any cgroup with --cgroup PATH \
                            (paths are in /proc/PID/cgroup)";

/// Restores the terminal when dropped.
#[derive(Debug)]
pub(super) struct Screen {
    json: bool,
    redraws: bool,
    /// The table's columns.
    metrics: Vec<Metric>,
}

impl Screen {
    /// Takes over the terminal if `live`.
    pub(super) fn open(json: bool, live: bool, metrics: Vec<Metric>) -> io::Result<Self> {
        let screen = Self {
            json,
            redraws: live && !json,
            metrics,
        };
        if screen.redraws {
            execute!(io::stdout(), EnterAlternateScreen, Hide)?;
        }
        Ok(screen)
    }

    /// Shows one interval. `named` says that cgroups were named instead of found.
    pub(super) fn show(
        &mut self,
        interval: &Interval,
        rows: Vec<Row>,
        named: bool,
    ) -> io::Result<()> {
        if self.json {
            return print_json(interval, &rows);
        }
        let mut out = io::stdout().lock();
        if self.redraws {
            execute!(out, MoveTo(0, 0), Clear(ClearType::All))?;
        }
        if rows.is_empty() && !named {
            writeln!(out, "{NO_CONTAINER}")?;
        } else {
            writeln!(out, "{}", table(&rows, &self.metrics).trim_fmt())?;
        }
        for missing in &interval.missing {
            writeln!(
                out,
                "not measured: {} {}",
                missing.container_name, missing.reason
            )?;
        }
        if self.redraws {
            let busy = interval.node.busy_ns as f64 / interval.length.as_nanos().max(1) as f64;
            let cpus = interval.node.cpus;
            writeln!(
                out,
                "\nnode: {:.0} % of {cpus} CPUs busy; Ctrl-C ends",
                100.0 * busy / f64::from(cpus.max(1))
            )?;
        }
        out.flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if self.redraws {
            // A terminal that is gone needs no restoring.
            let _ = execute!(io::stdout(), Show, LeaveAlternateScreen);
        }
    }
}

fn print_json(interval: &Interval, rows: &[Row]) -> io::Result<()> {
    let missing: Vec<_> = interval
        .missing
        .iter()
        .map(|missing| json!({"container": missing.container_name, "reason": missing.reason}))
        .collect();
    let line = json!({
        "interval_seconds": interval.length.as_secs_f64(),
        "containers": rows,
        "missing": missing,
    });
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()?;
    if rows.is_empty() && interval.missing.is_empty() {
        eprintln!("probe-agent: {NO_CONTAINER}");
    }
    Ok(())
}

fn table(rows: &[Row], metrics: &[Metric]) -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic);
    let titles = metrics.iter().flat_map(|metric| match metric {
        Metric::RunqLatency => vec!["WAIT p50", title(*metric)],
        Metric::OnCpuTime => vec![title(*metric), "THROTTLED %"],
        _ => vec![title(*metric)],
    });
    table.set_header(NAMES.into_iter().chain(titles));
    table.add_rows(rows.iter().map(|row| {
        let numbers = metrics.iter().flat_map(|metric| row.cells(*metric));
        row.name().into_iter().chain(numbers).collect::<Vec<_>>()
    }));
    for column in table.column_iter_mut().skip(NAMES.len()) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
