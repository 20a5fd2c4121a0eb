//! The live table: redrawn in place on a terminal, one line per second anywhere else.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};

use comfy_table::{Cell, Color, ContentArrangement, Row, Table, presets};

use crate::replicas::Replicas;
use crate::viperscale::Decisions;

/// Width assumed where the terminal does not tell.
const DEFAULT_WIDTH: u16 = 120;

/// What is drawn; gathered by the run, one per refresh.
#[derive(Debug, Default)]
pub(super) struct View {
    /// What the run is doing, such as "load step".
    pub phase: String,
    /// Seconds since the run began.
    pub elapsed: f64,
    /// Seconds of load that are left.
    pub left: f64,
    /// Virtual users now.
    pub users: u32,
    /// Requests answered during the last full second.
    pub requests_per_second: u64,
    /// Those of them that failed.
    pub failures_per_second: u64,
    /// Replicas by deployment.
    pub replicas: BTreeMap<String, Replicas>,
    /// The scaler's newest decisions.
    pub decisions: Decisions,
    /// The newest sentence with which each deployment was changed.
    pub last_change: BTreeMap<String, String>,
}

/// Where views are drawn.
#[derive(Debug)]
pub(super) struct Screen {
    terminal: bool,
    drawn_lines: usize,
    drawn_second: Option<u64>,
}

impl Screen {
    /// The standard output.
    pub(super) fn stdout() -> Self {
        Self {
            terminal: std::io::stdout().is_terminal(),
            drawn_lines: 0,
            drawn_second: None,
        }
    }

    /// Draws `view` over the previous one.
    pub(super) fn draw(&mut self, view: &View) {
        let text = if self.terminal {
            let body = format!("{}\n{}\n", headline(view), table(view));
            let up = match self.drawn_lines {
                0 => String::new(),
                lines => format!("\x1b[{lines}A\x1b[J"),
            };
            self.drawn_lines = body.lines().count();
            format!("{up}{body}")
        } else {
            let second = Some(view.elapsed as u64);
            if self.drawn_second == second {
                return;
            }
            self.drawn_second = second;
            format!("{}\n", line(view))
        };
        let mut out = std::io::stdout().lock();
        // A closed pipe must not end the run: the summary and the clean-up are still to come.
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}

fn headline(view: &View) -> String {
    format!(
        "{:>4.0} s  {}  {} users  {} requests/s  {} failed/s  {:.0} s left",
        view.elapsed,
        view.phase,
        view.users,
        view.requests_per_second,
        view.failures_per_second,
        view.left.max(0.0)
    )
}

/// One line without control characters, for logs: the deployments that are not at rest.
fn line(view: &View) -> String {
    let busy = view
        .replicas
        .iter()
        .filter(|(_, replicas)| replicas.desired > 1)
        .map(|(name, r)| format!("  {name} {}/{}", r.ready, r.desired));
    let busy: String = busy.collect();
    format!("{}{busy}", headline(view))
}

fn table(view: &View) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    if table.width().is_none() {
        table.set_width(DEFAULT_WIDTH);
    }
    table.set_header([
        "deployment",
        "ready",
        "run-queue p95",
        "faults/s",
        "sent/s",
        "decision",
    ]);
    for (name, replicas) in &view.replicas {
        let decision = view.decisions.get(name);
        let value = |metric| {
            decision
                .map_or("-", |decision| decision.value_of(metric))
                .to_owned()
        };
        let why = view
            .last_change
            .get(name)
            .or(decision.map(|decision| &decision.message));
        let why = why.map(|why| outcome_first(why)).unwrap_or_default();
        let mut ready = Cell::new(format!("{}/{}", replicas.ready, replicas.desired));
        if replicas.ready < replicas.desired {
            ready = ready.fg(Color::Yellow);
        } else if replicas.desired > 1 {
            ready = ready.fg(Color::Green);
        }
        // One line each: a table taller than the terminal cannot be redrawn in place.
        let mut row = Row::from([
            Cell::new(name),
            ready,
            Cell::new(value("runqLatency")),
            Cell::new(value("userPageFaults")),
            Cell::new(value("sentBytes")),
            Cell::new(why),
        ]);
        row.max_height(1);
        table.add_row(row);
    }
    table
}

/// The sentence without its details, which the summary has, and with its end first, which a narrow
/// terminal cuts off.
fn outcome_first(message: &str) -> String {
    let sentence = message.split(" (").next().unwrap_or(message);
    match sentence.rsplit_once(": ") {
        Some((cause, outcome)) => format!("{outcome}, {cause}"),
        None => sentence.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::viperscale::{Decision, Evidence};

    fn view() -> View {
        let evidence = Evidence {
            metric: "runqLatency".to_owned(),
            value_text: "38ms".to_owned(),
            value: Some(38e6),
            threshold: Some(2e6),
            proposal: Some(4),
            demand_cores: None,
        };
        let decision = Decision {
            current: 1,
            desired: 4,
            reason: "AboveThreshold".to_owned(),
            message: "runqLatency p95 38ms over 2ms: 1 -> 4 replicas".to_owned(),
            evidence: vec![evidence],
            age_seconds: 0.5,
        };
        View {
            phase: "load step".to_owned(),
            elapsed: 12.0,
            left: 30.0,
            users: 25,
            requests_per_second: 31,
            failures_per_second: 2,
            replicas: BTreeMap::from([
                (
                    "cartservice".to_owned(),
                    Replicas {
                        ready: 1,
                        desired: 4,
                    },
                ),
                (
                    "frontend".to_owned(),
                    Replicas {
                        ready: 1,
                        desired: 1,
                    },
                ),
            ]),
            decisions: BTreeMap::from([("cartservice".to_owned(), decision)]),
            last_change: BTreeMap::new(),
        }
    }

    #[test]
    fn the_table_shows_values_and_reasons() {
        let text = table(&view()).to_string();
        for part in ["cartservice", "1/4", "38ms", "4 replicas", "frontend"] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }

    #[test]
    fn the_line_names_only_what_moves() {
        let text = line(&view());
        assert!(
            text.contains("31 requests/s") && text.contains("cartservice 1/4"),
            "{text}"
        );
        assert!(!text.contains("frontend"), "{text}");
    }
}
