//! From the texts of files to the policies in force. No I/O.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use scaler_core::{ScalingPolicy, policy};

use super::{PolicyFile, PolicySet, Problem, RefusedPolicy, target_of};

/// Remembers the last valid version of each file, so that a bad edit leaves a deployment with the
/// policy it had instead of with none.
#[derive(Debug, Default)]
pub struct PolicyStore {
    files: BTreeMap<PathBuf, FileState>,
}

#[derive(Debug, Default)]
struct FileState {
    /// The text last parsed, so that unchanged files are not parsed again.
    text: Option<String>,
    /// From the last version without errors.
    valid: Vec<Arc<ScalingPolicy>>,
    /// Of the newest version.
    problems: Vec<Problem>,
}

impl PolicyStore {
    /// Takes a reading of `directory` and says what is in force from now on.
    ///
    /// A file that is gone takes its policies with it. A directory that cannot be listed, and a
    /// file that is invalid or unreadable, leave what was in force.
    pub fn update(&mut self, directory: &Path, reading: io::Result<Vec<PolicyFile>>) -> PolicySet {
        let mut problems = Vec::new();
        match reading {
            Ok(files) => {
                let mut known = std::mem::take(&mut self.files);
                for file in files {
                    let mut state = known.remove(&file.path).unwrap_or_default();
                    state.update(&file.path, file.text);
                    self.files.insert(file.path, state);
                }
            }
            Err(error) => {
                let message = format!("cannot be listed: {error}; the policies read before stay");
                problems.push(Problem::with_file(directory, message));
            }
        }
        problems.extend(
            self.files
                .values()
                .flat_map(|state| state.problems.iter().cloned()),
        );
        self.resolve(problems)
    }

    /// Refuses policies that clash, all of them: which one was meant cannot be known.
    fn resolve(&self, mut problems: Vec<Problem>) -> PolicySet {
        let all: Vec<&Arc<ScalingPolicy>> =
            self.files.values().flat_map(|state| &state.valid).collect();
        let mut by_deployment: BTreeMap<_, Vec<&ScalingPolicy>> = BTreeMap::new();
        let mut by_name: BTreeMap<_, Vec<&ScalingPolicy>> = BTreeMap::new();
        for policy in &all {
            by_deployment
                .entry(target_of(policy))
                .or_default()
                .push(policy);
            by_name
                .entry((&policy.namespace, &policy.name))
                .or_default()
                .push(policy);
        }

        let mut set = PolicySet::default();
        for policy in all {
            let deployment = target_of(policy);
            let clash = other_than(policy, &by_deployment[&deployment])
                .map(|other| {
                    (
                        "spec.scaleTargetRef.name",
                        clash_of_deployments(policy, other),
                    )
                })
                .or_else(|| {
                    other_than(policy, &by_name[&(&policy.namespace, &policy.name)])
                        .map(|other| ("metadata.name", clash_of_names(policy, other)))
                });
            match clash {
                None => {
                    set.in_force.insert(deployment, policy.clone());
                }
                Some((field, reason)) => {
                    problems.push(Problem {
                        file: policy.origin.file.clone().into(),
                        line: Some(policy.origin.line),
                        field: field.to_owned(),
                        message: reason.clone(),
                    });
                    set.refused.push(RefusedPolicy {
                        policy: policy.clone(),
                        reason,
                    });
                }
            }
        }
        problems.sort();
        set.problems = problems;
        set
    }
}

impl FileState {
    fn update(&mut self, path: &Path, text: io::Result<String>) {
        let text = match text {
            Ok(text) if self.text.as_ref() == Some(&text) => return,
            Ok(text) => text,
            Err(error) => {
                self.text = None;
                self.problems = vec![Problem::with_file(path, format!("cannot be read: {error}"))];
                return;
            }
        };
        match policy::load(&text, &path.to_string_lossy()) {
            Ok(policies) => {
                self.valid = policies.into_iter().map(Arc::new).collect();
                self.problems.clear();
            }
            Err(errors) => self.problems = errors.into_iter().map(Problem::from).collect(),
        }
        self.text = Some(text);
    }
}

fn other_than<'a>(policy: &ScalingPolicy, all: &[&'a ScalingPolicy]) -> Option<&'a ScalingPolicy> {
    all.iter()
        .copied()
        .find(|other| other.origin != policy.origin)
}

fn clash_of_deployments(policy: &ScalingPolicy, other: &ScalingPolicy) -> String {
    format!(
        "deployment {}/{} has another policy ({}/{} at {}:{}), so neither is in force; expected one \
         policy for each deployment",
        policy.namespace,
        policy.deployment,
        other.namespace,
        other.name,
        other.origin.file,
        other.origin.line
    )
}

fn clash_of_names(policy: &ScalingPolicy, other: &ScalingPolicy) -> String {
    format!(
        "another policy is called {}/{} too ({}:{}), so neither is in force; expected different \
         names",
        policy.namespace, policy.name, other.origin.file, other.origin.line
    )
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
