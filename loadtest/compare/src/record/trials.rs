//! The trials of a comparison: which there are to be, which there are.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{RecordError, TrialRecord};
use crate::{Autoscaler, Scenario};

/// Which trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TrialKey {
    /// From 1.
    pub trial: u32,
    /// Who scales.
    pub autoscaler: Autoscaler,
}

impl TrialKey {
    /// All trials in the order in which they are made. The autoscalers alternate, and so does who is first, so
    /// that a machine that warms up or slows down favours neither.
    #[must_use]
    pub fn schedule(trials: u32) -> Vec<Self> {
        (1..=trials)
            .flat_map(|trial| {
                let mut pair = Autoscaler::ALL;
                if trial % 2 == 0 {
                    pair.reverse();
                }
                pair.map(|autoscaler| Self { trial, autoscaler })
            })
            .collect()
    }

    /// Name of its directory, such as `trial-1-hpa`.
    #[must_use]
    pub fn directory(self) -> String {
        format!("trial-{}-{}", self.trial, self.autoscaler.slug())
    }
}

/// The directory `DIR/SCENARIO` with the trials of one scenario.
#[derive(Debug, Clone)]
pub struct Trials {
    path: PathBuf,
    hash: String,
    keys: Vec<TrialKey>,
}

impl Trials {
    /// The trials of `scenario` below `dir`. Touches nothing.
    #[must_use]
    pub fn new(dir: &Path, scenario: &Scenario) -> Self {
        Self {
            path: dir.join(&scenario.name),
            hash: scenario.hash(),
            keys: TrialKey::schedule(scenario.trials),
        }
    }

    /// `DIR/SCENARIO`.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The trials that are still to be made, in order.
    ///
    /// # Errors
    /// When a complete trial is of another version of the scenario, or cannot be read.
    pub fn pending(&self) -> Result<Vec<TrialKey>, RecordError> {
        let mut pending = Vec::new();
        for &key in &self.keys {
            if !self.is_complete(key)? {
                pending.push(key);
            }
        }
        Ok(pending)
    }

    /// Writes a trial that is over, in place of an incomplete one. Sets its `complete`.
    ///
    /// # Errors
    /// When the trial is there already, or cannot be written.
    pub fn write(&self, record: &TrialRecord) -> Result<(), RecordError> {
        record.write(&self.path)
    }

    /// Reads all trials.
    ///
    /// # Errors
    /// When one is missing, incomplete, of another version of the scenario, or cannot be read.
    pub fn read(&self) -> Result<Vec<TrialRecord>, RecordError> {
        let mut records = Vec::with_capacity(self.keys.len());
        for &key in &self.keys {
            let path = self.path.join(key.directory());
            if !self.is_complete(key)? {
                return Err(RecordError::Incomplete { path });
            }
            records.push(TrialRecord::read(&path)?);
        }
        Ok(records)
    }

    fn is_complete(&self, key: TrialKey) -> Result<bool, RecordError> {
        let path = self.path.join(key.directory());
        let Some(metadata) = TrialRecord::read_metadata(&path)? else {
            return Ok(false);
        };
        if metadata.complete && metadata.scenario_hash != self.hash {
            return Err(RecordError::OtherScenario { path });
        }
        Ok(metadata.complete)
    }
}
