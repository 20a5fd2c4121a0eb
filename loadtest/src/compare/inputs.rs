//! What decides the outcome of a comparison, so that trials are only ever compared with trials of the same.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result};
use comparison::Scenario;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::local::Programs;

/// Differences that are told; more than these are one more sentence.
const TOLD: usize = 5;

/// Everything that two trials must have in common to be compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Inputs {
    /// SHA-256 of each program that takes part, by its name.
    pub(super) programs: BTreeMap<String, String>,
    /// `local`, or the address of the cluster's API server.
    pub(super) cluster: String,
    /// Where the agents are, and the frontend, on another cluster.
    pub(super) options: BTreeMap<String, String>,
    /// The scenario without the number of its trials: more of them can be made later.
    pub(super) scenario: Value,
    /// The policies in force, by file: built-in ones are part of the program and of no scenario.
    pub(super) policies: BTreeMap<String, String>,
}

impl Inputs {
    /// The inputs of `scenario`.
    ///
    /// # Errors
    /// When the scenario cannot be written as JSON.
    pub(super) fn of(
        scenario: &Scenario,
        programs: &BTreeMap<String, String>,
        cluster: &str,
        options: BTreeMap<String, String>,
    ) -> Result<Self> {
        let mut value = serde_json::to_value(scenario).context("a scenario is no JSON")?;
        if let Some(fields) = value.as_object_mut() {
            fields.remove("trials");
            fields.remove("description");
        }
        Ok(Self {
            programs: programs.clone(),
            cluster: cluster.to_owned(),
            options,
            scenario: value,
            policies: scenario.policies().into_iter().collect(),
        })
    }

    /// What has changed since `before`, a few words each; empty when nothing has.
    pub(super) fn changes_since(&self, before: &Self) -> Vec<String> {
        let mut changes = Vec::new();
        difference("scenario", &before.scenario, &self.scenario, &mut changes);
        for (name, hash) in &self.programs {
            if before.programs.get(name) != Some(hash) {
                changes.push(format!("the program {name} is another build"));
            }
        }
        for (name, text) in &self.policies {
            if before.policies.get(name) != Some(text) {
                changes.push(format!("the policy {name} is another"));
            }
        }
        if before.cluster != self.cluster {
            changes.push(format!(
                "the cluster was {} and is {}",
                before.cluster, self.cluster
            ));
        }
        if before.options != self.options {
            changes.push("--host or --agents is another".to_owned());
        }
        if changes.len() > TOLD {
            let more = changes.len() - TOLD;
            changes.truncate(TOLD);
            changes.push(format!("and {more} more"));
        }
        changes
    }
}

/// SHA-256 of the programs of a run, by name.
///
/// # Errors
/// When one cannot be read.
pub(super) fn hash_programs(programs: &Programs) -> Result<BTreeMap<String, String>> {
    let paths = [
        &programs.loadtest,
        &programs.scaler,
        &programs.probe_agent,
        &programs.demo_shop,
    ];
    paths.into_iter().map(|path| hash(path)).collect()
}

fn hash(path: &Path) -> Result<(String, String)> {
    let what = || format!("cannot read {}", path.display());
    let mut digest = Sha256::new();
    std::io::copy(&mut File::open(path).with_context(what)?, &mut digest).with_context(what)?;
    let hex = digest
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Ok((name.into_owned(), hex))
}

/// Notes each field that differs, such as `scenario.load.phases[1].users was 26 and is 30`.
fn difference(path: &str, before: &Value, now: &Value, changes: &mut Vec<String>) {
    match (before, now) {
        (Value::Object(before), Value::Object(now)) => {
            let mut keys: Vec<_> = before.keys().chain(now.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                let value = |of: &serde_json::Map<String, Value>| {
                    of.get(key).cloned().unwrap_or(Value::Null)
                };
                difference(
                    &format!("{path}.{key}"),
                    &value(before),
                    &value(now),
                    changes,
                );
            }
        }
        (Value::Array(before), Value::Array(now)) if before.len() == now.len() => {
            for (index, (before, now)) in before.iter().zip(now).enumerate() {
                difference(&format!("{path}[{index}]"), before, now, changes);
            }
        }
        _ if before == now => {}
        _ => changes.push(format!(
            "{path} was {} and is {}",
            short(before),
            short(now)
        )),
    }
}

/// A value for a sentence.
fn short(value: &Value) -> String {
    match value {
        Value::Null => "not given".to_owned(),
        Value::Array(_) | Value::Object(_) => "another list or map".to_owned(),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn inputs() -> Inputs {
        Inputs {
            programs: BTreeMap::from([("scaler".to_owned(), "aa".to_owned())]),
            cluster: "local".to_owned(),
            options: BTreeMap::new(),
            scenario: json!({"name": "x", "load": {"phases": [{"users": 4}, {"users": 26}]}}),
            policies: BTreeMap::new(),
        }
    }

    #[test]
    fn nothing_changed_is_nothing_to_tell() {
        assert!(inputs().changes_since(&inputs()).is_empty());
    }

    #[test]
    fn what_changed_is_named() {
        let mut now = inputs();
        now.scenario["load"]["phases"][1]["users"] = json!(30);
        now.scenario["load"]["seed"] = json!(7);
        now.programs.insert("scaler".to_owned(), "bb".to_owned());
        now.cluster = "https://10.0.0.1".to_owned();
        let expected = [
            "scenario.load.phases[1].users was 26 and is 30",
            "scenario.load.seed was not given and is 7",
            "the program scaler is another build",
            "the cluster was local and is https://10.0.0.1",
        ];
        assert_eq!(now.changes_since(&inputs()), expected);
    }

    #[test]
    fn a_program_is_told_by_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scaler");
        std::fs::write(&path, "abc").unwrap();
        let (name, hex) = hash(&path).unwrap();
        assert_eq!(name, "scaler");
        assert!(hex.starts_with("ba7816bf"), "{hex}");
    }
}
