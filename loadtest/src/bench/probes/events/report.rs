//! The numbers of all rounds in one.

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use super::Rounds;
use super::case::Case;
use super::measure::{Cost, median, net, per, runs_per_event};
use super::peer::Origin;

/// What was measured: ns per event, floor subtracted, medians over rounds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EventsReport {
    /// Our scheduler program while it measures the tasks that switch; null where it is not supported.
    pub scheduler_ns_per_switch: Option<f64>,
    /// The same, while those tasks are not of a measured container.
    pub scheduler_unmonitored_ns_per_switch: Option<f64>,
    /// All programs of `runqlat` together, wake-ups included; null without it.
    pub runqlat_ns_per_switch: Option<f64>,
    /// Runs of `runqlat`'s programs per switch.
    pub runqlat_runs_per_switch: Option<f64>,
    /// Why there are no numbers of `runqlat`.
    pub runqlat_missing: Option<String>,
    /// Ours by theirs; null without theirs.
    pub ratio: Option<f64>,
    /// What the kernel reports for a program that does nothing, ns per run.
    pub floor_ns_per_run: f64,
    /// Context switches in an average measurement.
    pub switches_per_round: u64,
    /// Rounds that the medians are over.
    pub rounds: usize,
    /// Every kind of event, context switches first.
    pub events: Vec<EventReport>,
}

/// One kind of event.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EventReport {
    /// What happened.
    pub event: &'static str,
    /// What was measured of it.
    pub metrics: Vec<String>,
    /// ns per event, of a measured container.
    pub monitored_ns: Option<f64>,
    /// ns per event, of any other task.
    pub unmonitored_ns: Option<f64>,
    /// Runs of our programs per event.
    pub runs_per_event: Option<f64>,
    /// Events in an average measurement.
    pub events_per_round: u64,
    /// Why there are no numbers.
    pub missing: Option<String>,
    /// Other tools on the same events.
    pub peers: Vec<PeerReport>,
}

/// Another tool.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PeerReport {
    /// Where it comes from.
    pub(crate) origin: Origin,
    /// What it is.
    pub name: &'static str,
    /// ns per event of all its programs.
    pub ns: Option<f64>,
    /// Runs of its programs per event.
    pub runs_per_event: Option<f64>,
    /// Ours by theirs.
    pub ratio: Option<f64>,
    /// Why there are no numbers.
    pub missing: Option<String>,
}

impl EventsReport {
    pub(super) fn from_rounds<'a>(
        floor: &[Cost],
        cases: impl Iterator<Item = (&'static Case, &'a Rounds)>,
    ) -> Self {
        let reported = floor
            .iter()
            .map(|cost| per(cost.spent.as_nanos(), cost.runs));
        let floor_ns_per_run = median(reported).unwrap_or(0.0);
        let events: Vec<EventReport> = cases
            .map(|(case, rounds)| EventReport::new(case, rounds, floor_ns_per_run))
            .collect();
        let switches = events.first();
        let runqlat = switches.and_then(|event| event.peers.first());
        Self {
            scheduler_ns_per_switch: switches.and_then(|event| event.monitored_ns),
            scheduler_unmonitored_ns_per_switch: switches.and_then(|event| event.unmonitored_ns),
            runqlat_ns_per_switch: runqlat.and_then(|peer| peer.ns),
            runqlat_runs_per_switch: runqlat.and_then(|peer| peer.runs_per_event),
            runqlat_missing: runqlat.and_then(|peer| peer.missing.clone()),
            ratio: runqlat.and_then(|peer| peer.ratio),
            floor_ns_per_run,
            switches_per_round: switches.map_or(0, |event| event.events_per_round),
            rounds: floor.len(),
            events,
        }
    }
}

impl EventReport {
    fn new(case: &'static Case, rounds: &Rounds, floor: f64) -> Self {
        let monitored_ns = net(&rounds.monitored, floor);
        let peers = case.peers.iter().zip(&rounds.peers).map(|(spec, theirs)| {
            let ns = net(&theirs.costs, floor);
            PeerReport {
                origin: spec.origin,
                name: spec.name,
                ns,
                runs_per_event: runs_per_event(&theirs.costs),
                ratio: monitored_ns.zip(ns).map(|(ours, theirs)| ours / theirs),
                missing: theirs.missing.clone(),
            }
        });
        let events: u64 = rounds.monitored.iter().map(|cost| cost.events).sum();
        let metrics = case.metrics.iter().copied().map(probe_agent::metric_name);
        Self {
            event: case.event,
            metrics: metrics.collect(),
            monitored_ns,
            unmonitored_ns: net(&rounds.unmonitored, floor),
            runs_per_event: runs_per_event(&rounds.monitored),
            events_per_round: events / (rounds.monitored.len() as u64).max(1),
            missing: rounds.missing.clone(),
            peers: peers.collect(),
        }
    }

    /// The lines of the table.
    fn rows(&self) -> Vec<[String; 6]> {
        let ours = [
            self.event.to_owned(),
            "viperscale".to_owned(),
            number(self.monitored_ns),
            number(self.unmonitored_ns),
            number(self.runs_per_event),
            self.missing.clone().unwrap_or_default(),
        ];
        let theirs = self.peers.iter().map(|peer| {
            let origin = match peer.origin {
                Origin::LibbpfTools => "libbpf-tools",
                Origin::Bpftrace => "bpftrace",
            };
            let remark = match (peer.ratio, &peer.missing) {
                (Some(ratio), _) => format!("ours is {ratio:.2} of it"),
                (None, Some(reason)) => reason.clone(),
                (None, None) => String::new(),
            };
            [
                String::new(),
                format!("{} ({origin})", peer.name),
                number(peer.ns),
                String::new(),
                number(peer.runs_per_event),
                remark,
            ]
        });
        std::iter::once(ours).chain(theirs).collect()
    }
}

impl std::fmt::Display for EventsReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "ns per event, floor of {:.1} ns per run subtracted; medians of {} rounds",
            self.floor_ns_per_run, self.rounds
        )?;
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_header([
            "event",
            "",
            "measured",
            "other tasks",
            "runs",
            "",
        ]);
        for event in &self.events {
            table.add_rows(event.rows());
        }
        for column in 2..=4 {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        writeln!(f, "{}", table.trim_fmt())
    }
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::PeerRounds;
    use super::super::case::CASES;
    use super::*;

    fn cost(ns: u64, runs: u64, events: u64) -> Cost {
        Cost {
            spent: Duration::from_nanos(ns),
            runs,
            events,
        }
    }

    fn report(rounds: Rounds) -> EventsReport {
        EventsReport::from_rounds(&[cost(600, 10, 10)], [(&CASES[0], &rounds)].into_iter())
    }

    fn rounds(monitored: &[Cost], runqlat: PeerRounds) -> Rounds {
        Rounds {
            unmonitored: vec![cost(700, 10, 10)],
            monitored: monitored.to_vec(),
            peers: vec![runqlat, PeerRounds::default()],
            missing: None,
        }
    }

    #[test]
    fn the_floor_is_subtracted_once_per_run() {
        let runqlat = PeerRounds {
            costs: vec![cost(4_000, 20, 10)],
            missing: None,
        };
        let report = report(rounds(&[cost(1_000, 10, 10)], runqlat));
        assert_eq!(report.scheduler_ns_per_switch, Some(40.0));
        assert_eq!(report.scheduler_unmonitored_ns_per_switch, Some(10.0));
        assert_eq!(report.runqlat_ns_per_switch, Some(280.0));
        assert_eq!(report.runqlat_runs_per_switch, Some(2.0));
        assert_eq!(report.ratio, Some(40.0 / 280.0));
    }

    #[test]
    fn without_a_peer_its_numbers_are_null_and_the_reason_is_told() {
        let missing = Some("not installed".to_owned());
        let runqlat = PeerRounds {
            costs: Vec::new(),
            missing: missing.clone(),
        };
        let report = report(rounds(&[cost(1_000, 10, 10)], runqlat));
        assert_eq!((report.runqlat_ns_per_switch, report.ratio), (None, None));
        assert_eq!(report.runqlat_missing, missing);
        assert!(report.to_string().contains("not installed"));
        let json = serde_json::to_value(&report).unwrap();
        assert!(json["runqlat_ns_per_switch"].is_null());
        assert_eq!(json["events"][0]["peers"][0]["origin"], "libbpf-tools");
    }

    #[test]
    fn one_odd_round_does_not_count() {
        let monitored = [
            cost(1_100, 10, 10),
            cost(90_000, 10, 10),
            cost(1_200, 10, 10),
        ];
        let report = report(rounds(&monitored, PeerRounds::default()));
        assert_eq!(report.scheduler_ns_per_switch, Some(60.0));
    }

    #[test]
    fn a_case_that_cannot_be_measured_says_so() {
        let report = report(Rounds {
            missing: Some("unsupported: no such hook".to_owned()),
            ..Rounds::of(&CASES[0])
        });
        assert_eq!(report.scheduler_ns_per_switch, None);
        assert!(report.to_string().contains("no such hook"));
    }
}
