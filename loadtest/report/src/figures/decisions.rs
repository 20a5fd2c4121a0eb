//! Decisions over time: the marks above the decision log.

use std::collections::BTreeMap;

use comparison::comparison::TrialView;
use comparison::record::DecisionEntry;
use comparison::{Comparison, TrialKey};

use super::{ORDER, load_step};
use crate::chart::strip::{Mark, Row, Strip};
use crate::chart::time::Grid;
use crate::text::printable;

/// More decisions of a trial and autoscaler than these are left to the raw data.
pub const MOST_ENTRIES: usize = 200;

/// The id of a decision's entry in the log.
#[must_use]
pub fn entry_id(key: TrialKey, index: usize) -> String {
    format!("decision-{}-{}-{index}", key.trial, key.autoscaler.slug())
}

/// The decisions that the log shows, with their place among all: changes first if there are too many of them, in
/// order of time.
#[must_use]
pub fn shown(trial: &TrialView) -> Vec<(usize, &DecisionEntry)> {
    let mut entries: Vec<_> = trial.decisions.iter().enumerate().collect();
    entries.sort_by_key(|(_, decision)| decision.to == decision.from);
    entries.truncate(MOST_ENTRIES);
    entries.sort_by_key(|(index, _)| *index);
    entries
}

/// The changes of both autoscalers in one trial, by deployment.
#[must_use]
pub fn strip(comparison: &Comparison, trial: u32) -> Strip {
    let mut rows: BTreeMap<String, Vec<Mark>> = BTreeMap::new();
    for autoscaler in ORDER {
        let Some(view) = comparison.trial(trial, autoscaler) else {
            continue;
        };
        for (index, decision) in shown(view)
            .into_iter()
            .filter(|(_, decision)| decision.to != decision.from)
        {
            rows.entry(printable(&decision.deployment))
                .or_default()
                .push(Mark {
                    at: decision.at,
                    side: autoscaler.into(),
                    up: decision.to > decision.from,
                    entry: entry_id(view.key, index),
                });
        }
    }
    let described: Vec<String> = rows
        .iter()
        .map(|(deployment, marks)| format!("{deployment} {}", marks.len()))
        .collect();
    Strip {
        description: format!(
            "Changes of replicas over time in trial {trial}, by deployment: {}. Each is an entry of the list below.",
            described.join(", ")
        ),
        grid: Grid {
            start: 0.0,
            step: 1.0,
            points: comparison.horizon_seconds.floor() as usize + 1,
        },
        rows: rows
            .into_iter()
            .map(|(label, marks)| Row { label, marks })
            .collect(),
        moments: load_step(comparison, true),
    }
}
