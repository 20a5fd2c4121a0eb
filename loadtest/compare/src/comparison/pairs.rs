//! The trials, checked to belong together and put in pairs.

use std::collections::BTreeMap;

use super::{CompareError, Pair};
use crate::measure::Trial;
use crate::record::Machine;
use crate::{Autoscaler, Scenario, TrialRecord};

/// The trials of one number: of the same seed, one of each autoscaler. In order of the number.
pub(super) fn pairs<'a>(
    scenario: &Scenario,
    records: &'a [TrialRecord],
) -> Result<Vec<Pair<Trial<'a>>>, CompareError> {
    let first = records.first().ok_or(CompareError::NoTrials)?;
    let hash = scenario.hash();
    for record in records {
        check(scenario, &hash, &first.metadata.machine, record)?;
    }
    let mut numbered: BTreeMap<u32, Vec<&TrialRecord>> = BTreeMap::new();
    for record in records {
        numbered
            .entry(record.metadata.trial)
            .or_default()
            .push(record);
    }
    let horizon = f64::from(scenario.load.seconds());
    numbered
        .into_iter()
        .map(|(trial, records)| {
            let of = |autoscaler| {
                let mut own = records
                    .iter()
                    .filter(|r| r.metadata.autoscaler == autoscaler);
                match (own.next(), own.next()) {
                    (Some(record), None) => Ok(Trial::new(record, horizon)),
                    _ => Err(CompareError::Unpaired { trial }),
                }
            };
            Ok(Pair {
                hpa: of(Autoscaler::Hpa)?,
                viperscale: of(Autoscaler::Viperscale)?,
            })
        })
        .collect()
}

fn check(
    scenario: &Scenario,
    hash: &str,
    machine: &Machine,
    record: &TrialRecord,
) -> Result<(), CompareError> {
    let metadata = &record.metadata;
    let (trial, autoscaler) = (metadata.trial, metadata.autoscaler);
    if metadata.scenario_hash != hash {
        return Err(CompareError::OtherScenario {
            trial,
            autoscaler,
            found: format!("{} {}", metadata.scenario, metadata.scenario_hash),
            expected: format!("{} {hash}", scenario.name),
        });
    }
    let seed = scenario.load.seed_of(trial);
    if metadata.seed != seed {
        return Err(CompareError::OtherSeed {
            trial,
            autoscaler,
            found: metadata.seed,
            expected: seed,
        });
    }
    if metadata.machine != *machine {
        return Err(CompareError::OtherMachine {
            trial,
            autoscaler,
            found: metadata.machine.to_string(),
            expected: machine.to_string(),
        });
    }
    if !metadata.load_complete {
        return Err(CompareError::LoadIncomplete { trial, autoscaler });
    }
    Ok(())
}
