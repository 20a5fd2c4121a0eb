//! From the texts of files and the JSON of objects to the policies in force. No I/O.

mod clashes;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use scaler_core::policy::Claim;
use scaler_core::{ScalingPolicy, policy};

use super::{
    ObjectKey, Objects, PolicyFile, PolicyObject, PolicySet, Problem, RawObject, RefusedPolicy,
    target_of,
};
use crate::crd::Standing;
use clashes::{clash_of_deployments, clash_of_names, other_than};

/// `Conflict` with another policy; see [`Standing::Conflict`].
const ANOTHER_POLICY: &str = "AnotherPolicy";

/// Remembers the last valid version of each file and object, so that a bad edit leaves a deployment
/// with the policy it had instead of with none.
#[derive(Debug, Default)]
pub struct PolicyStore {
    files: BTreeMap<PathBuf, FileState>,
    objects: BTreeMap<ObjectKey, ObjectState>,
    /// Why the directory cannot be listed, while it cannot.
    directory: Option<Problem>,
}

#[derive(Debug)]
struct ObjectState {
    raw: RawObject,
    /// The last version without errors, and its generation.
    valid: Option<(i64, Arc<ScalingPolicy>)>,
    /// Of the newest version.
    problems: Vec<Problem>,
    /// What the newest version is for, while it is not in force.
    rejected: Vec<Claim>,
}

#[derive(Debug, Default)]
struct FileState {
    /// The text last parsed, so that unchanged files are not parsed again.
    text: Option<String>,
    /// From the last version without errors.
    valid: Vec<Arc<ScalingPolicy>>,
    /// Of the newest version.
    problems: Vec<Problem>,
    /// What the documents of the newest version are for, while it is not in force.
    rejected: Vec<Claim>,
}

impl PolicyStore {
    /// Takes a reading of `directory` and says what is in force from now on.
    ///
    /// A file that is gone takes its policies with it. A directory that cannot be listed, and a
    /// file that is invalid or unreadable, leave what was in force.
    pub fn update(&mut self, directory: &Path, reading: io::Result<Vec<PolicyFile>>) -> PolicySet {
        self.directory = None;
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
                self.directory = Some(Problem::with_file(directory, message));
            }
        }
        self.resolve()
    }

    /// Takes all objects of the cluster and says what is in force from now on.
    ///
    /// An object that is gone, or replaced by another of its name, takes its policy with it; one that
    /// is invalid leaves what was in force.
    pub fn update_objects(&mut self, objects: &Objects) -> PolicySet {
        let mut known = std::mem::take(&mut self.objects);
        for (key, raw) in &objects.by_key {
            let old = known.remove(key).filter(|state| state.raw.uid == raw.uid);
            let state = match old {
                Some(state) if state.raw == *raw => state,
                old => ObjectState::read(key, raw, old.and_then(|state| state.valid)),
            };
            self.objects.insert(key.clone(), state);
        }
        self.resolve()
    }

    /// Refuses policies that clash, all of them: which one was meant cannot be known.
    fn resolve(&self) -> PolicySet {
        let of_files = self.files.values().map(|state| &state.problems);
        let of_objects = self.objects.values().map(|state| &state.problems);
        let mut problems: Vec<Problem> = (self.directory.iter())
            .chain(of_files.chain(of_objects).flatten())
            .cloned()
            .collect();
        let of_objects = self.objects.values().flat_map(|state| &state.valid);
        let all: Vec<&Arc<ScalingPolicy>> = (self.files.values())
            .flat_map(|state| &state.valid)
            .chain(of_objects.map(|(_, policy)| policy))
            .collect();
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
                        line: policy.origin.line,
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
        problems.extend(self.clashes_of_rejected());
        problems.sort();
        set.problems = problems;
        set.objects = Arc::new(self.standings(&set.refused));
        set
    }

    /// Whether each object counts.
    fn standings(&self, refused: &[RefusedPolicy]) -> BTreeMap<ObjectKey, PolicyObject> {
        let refusals: BTreeMap<&str, &str> = refused
            .iter()
            .map(|refused| (&*refused.policy.origin.file, &*refused.reason))
            .collect();
        let standing = |key: &ObjectKey, state: &ObjectState| {
            let refusal = refusals.get(&*key.origin());
            match (refusal, state.problems.as_slice()) {
                (Some(reason), _) => Standing::Conflict {
                    reason: ANOTHER_POLICY.to_owned(),
                    message: (*reason).to_owned(),
                },
                (None, []) => Standing::InForce,
                (None, problems) => Standing::Invalid {
                    problem: sentence(problems),
                    in_force: state.valid.as_ref().map(|(generation, _)| *generation),
                },
            }
        };
        self.objects
            .iter()
            .map(|(key, state)| {
                let object = PolicyObject {
                    uid: state.raw.uid.clone(),
                    generation: state.raw.generation,
                    standing: standing(key, state),
                    status: state.raw.status.clone(),
                };
                (key.clone(), object)
            })
            .collect()
    }
}

impl ObjectState {
    fn read(key: &ObjectKey, raw: &RawObject, before: Option<(i64, Arc<ScalingPolicy>)>) -> Self {
        let reading = policy::read_object(&raw.json, &key.origin());
        let raw = raw.clone();
        match reading.errors.is_empty() {
            true => ObjectState {
                valid: (reading.policies.into_iter().next())
                    .map(|policy| (raw.generation, Arc::new(policy))),
                raw,
                problems: Vec::new(),
                rejected: Vec::new(),
            },
            false => ObjectState {
                raw,
                valid: before,
                problems: reading.errors.into_iter().map(of_object).collect(),
                rejected: reading.claims,
            },
        }
    }
}

/// An object has no lines that its author wrote.
fn of_object(error: scaler_core::PolicyError) -> Problem {
    Problem {
        line: None,
        ..Problem::from(error)
    }
}

/// `spec.maxReplicas: expected ...; spec.metrics: expected ...`.
fn sentence(problems: &[Problem]) -> String {
    let texts: Vec<String> = problems
        .iter()
        .map(|problem| match problem.field.as_str() {
            "" => problem.message.clone(),
            field => format!("{field}: {}", problem.message),
        })
        .collect();
    texts.join("; ")
}

impl FileState {
    fn update(&mut self, path: &Path, text: io::Result<String>) {
        let text = match text {
            Ok(text) if self.text.as_ref() == Some(&text) => return,
            Ok(text) => text,
            Err(error) => {
                self.text = None;
                self.rejected.clear();
                self.problems = vec![Problem::with_file(path, format!("cannot be read: {error}"))];
                return;
            }
        };
        let reading = policy::read(&text, &path.to_string_lossy());
        if reading.errors.is_empty() {
            self.valid = reading.policies.into_iter().map(Arc::new).collect();
            self.problems.clear();
            self.rejected.clear();
        } else {
            self.problems = reading.errors.into_iter().map(Problem::from).collect();
            self.rejected = reading.claims;
        }
        self.text = Some(text);
    }
}

#[cfg(test)]
#[path = "store_object_tests.rs"]
mod object_tests;
#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
