//! Reading group files, comparing, and telling what is wrong.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What the library made of a case: in the shape of `expected`, and in that of `observed`.
pub(crate) struct Actual {
    pub(crate) expected: Value,
    pub(crate) observed: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    input: Value,
    expected: Value,
    observed: Value,
}

/// Collects what is wrong over all groups.
pub(crate) struct Report {
    dir: PathBuf,
    seen: BTreeSet<String>,
    passed: usize,
    problems: Vec<String>,
}

impl Report {
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            seen: BTreeSet::new(),
            passed: 0,
            problems: Vec::new(),
        }
    }

    /// Runs one group's file. A missing, empty or unreadable file is a problem, not a pass.
    pub(crate) fn group<I: DeserializeOwned>(&mut self, group: &str, run: fn(I) -> Actual) {
        let file = format!("{group}.json");
        let text = std::fs::read_to_string(self.dir.join(&file));
        self.seen.insert(file);
        let cases = text
            .map_err(|error| error.to_string())
            .and_then(|text| serde_json::from_str::<Vec<Case>>(&text).map_err(|e| e.to_string()));
        let cases = match cases {
            Ok(cases) if cases.is_empty() => {
                return self.problem(group, "", "the file has no cases");
            }
            Ok(cases) => cases,
            Err(error) => return self.problem(group, "", &error),
        };
        let (all, mut names, mut passed) = (cases.len(), BTreeSet::new(), 0);
        for case in cases {
            let mut wrong = Vec::new();
            if !names.insert(case.name.clone()) {
                wrong.push("the name is not unique in its group".to_owned());
            }
            match serde_json::from_value::<I>(case.input) {
                Err(error) => wrong.push(format!("unreadable input: {error}")),
                Ok(input) => {
                    let actual = run(input);
                    compare("expected", &case.expected, &actual.expected, &mut wrong);
                    compare("observed", &case.observed, &actual.observed, &mut wrong);
                }
            }
            passed += usize::from(wrong.is_empty());
            wrong
                .iter()
                .for_each(|text| self.problem(group, &case.name, text));
        }
        println!("{group:<40} {passed:>3} of {all:>3} passed");
        self.passed += passed;
    }

    fn problem(&mut self, group: &str, case: &str, text: &str) {
        self.problems.push(format!("{group}: {case}: {text}"));
    }

    /// Panics if anything was wrong.
    pub(crate) fn finish(mut self) {
        for entry in std::fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(".json") && !self.seen.contains(&name) {
                self.problem(&name, "", "no group of this name is known");
            }
        }
        println!(
            "{:<40} {:>3} passed in {}",
            "all",
            self.passed,
            self.dir.display()
        );
        assert!(self.problems.is_empty(), "{}", self.problems.join("\n"));
    }
}

/// Every key upstream wrote must be there and equal. What the runner does not compare, it gives as
/// [`unasserted`].
fn compare(path: &str, wanted: &Value, actual: &Value, wrong: &mut Vec<String>) {
    match (wanted, actual) {
        (_, actual) if *actual == unasserted() => {}
        (wanted, Value::Object(fields)) if fields.contains_key(UNLESS_NULL) => {
            if !wanted.is_null() {
                compare(path, wanted, &fields[UNLESS_NULL], wrong);
            }
        }
        (Value::Object(wanted), Value::Object(fields)) => {
            for (key, value) in wanted {
                match fields.get(key) {
                    Some(field) => compare(&format!("{path}.{key}"), value, field, wrong),
                    None => wrong.push(format!("{path}.{key}: a field this runner does not know")),
                }
            }
        }
        (Value::Array(wanted), Value::Array(items)) if wanted.len() == items.len() => {
            for (at, (wanted, item)) in wanted.iter().zip(items).enumerate() {
                compare(&format!("{path}[{at}]"), wanted, item, wrong);
            }
        }
        (Value::String(part), Value::String(whole)) if path.ends_with(".error_contains") => {
            if !whole.contains(part.as_str()) {
                wrong.push(format!("{path}: `{part}` is not in `{whole}`"));
            }
        }
        (Value::Number(wanted), Value::Number(actual)) if wanted.as_f64() == actual.as_f64() => {
            if let (Some(wanted), Some(actual)) = (wanted.as_i64(), actual.as_i64())
                && wanted != actual
            {
                wrong.push(format!("{path}: wanted {wanted}, got {actual}"));
            }
        }
        (wanted, actual) if wanted == actual => {}
        (wanted, actual) => wrong.push(format!("{path}: wanted {wanted}, got {actual}")),
    }
}

const UNLESS_NULL: &str = "(unless null)";

/// A value upstream asserts only where its own is not null.
pub(crate) fn unless_null(value: Value) -> Value {
    serde_json::json!({ UNLESS_NULL: value })
}

/// A value that compares with nothing.
pub(crate) fn unasserted() -> Value {
    Value::String("(unasserted)".to_owned())
}
