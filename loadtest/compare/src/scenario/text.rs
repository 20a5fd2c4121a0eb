//! From YAML text to a scenario, and from a field back to its line.
//!
//! `serde_yaml` tells lines only in errors; so the line of a field that is read well and makes no sense is found by
//! reading the text once more and failing on purpose at that field.

use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

use super::builtin::Scenarios;
use super::{Scenario, ScenarioError};

impl Scenario {
    /// Reads and checks a scenario. `file` is only a name, for messages.
    ///
    /// # Errors
    /// The first thing that is wrong: where, and what was expected.
    pub fn parse(text: &str, file: &str) -> Result<Self, ScenarioError> {
        let scenario: Self = serde_yaml::from_str(text).map_err(|error| syntax(&error, file))?;
        match scenario.check() {
            Ok(()) => Ok(scenario),
            Err(problem) => Err(ScenarioError::Invalid {
                file: file.to_owned(),
                line: locate(text, &problem.field),
                field: problem.field,
                message: problem.message,
            }),
        }
    }

    /// The built-in scenario of that name, or else the file of that name.
    ///
    /// # Errors
    /// When there is neither, or it is not a scenario.
    pub fn load(name_or_file: &str) -> Result<Self, ScenarioError> {
        if let Some(scenario) = Self::builtin(name_or_file) {
            return scenario;
        }
        match std::fs::read_to_string(name_or_file) {
            Ok(text) => Self::parse(&text, name_or_file),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(ScenarioError::Unknown {
                    name: name_or_file.to_owned(),
                    known: Self::builtin_names().join(", "),
                })
            }
            Err(source) => Err(ScenarioError::Unreadable {
                file: name_or_file.to_owned(),
                source,
            }),
        }
    }

    /// Names of the built-in scenarios.
    #[must_use]
    pub fn builtin_names() -> Vec<String> {
        let mut names: Vec<String> = Scenarios::iter()
            .filter_map(|file| Some(file.strip_suffix(".yaml")?.to_owned()))
            .collect();
        names.sort();
        names
    }

    fn builtin(name: &str) -> Option<Result<Self, ScenarioError>> {
        let file = format!("{name}.yaml");
        let data = Scenarios::get(&file)?.data;
        Some(Self::parse(&String::from_utf8_lossy(&data), &file))
    }
}

/// What `serde_yaml` says, taken apart: it writes `FIELD: MESSAGE at line L column C`.
fn syntax(error: &serde_yaml::Error, file: &str) -> ScenarioError {
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or(&text);
    let is_field = |text: &str| !text.is_empty() && !text.contains([' ', '`']);
    let (field, message) = match text.split_once(": ") {
        Some((field, message)) if is_field(field) => (field, message),
        _ => ("", text),
    };
    ScenarioError::Invalid {
        file: file.to_owned(),
        line: error.location().map_or(1, |location| location.line()),
        field: field.to_owned(),
        message: message.to_owned(),
    }
}

/// The line, from 1, of a field such as `load.phases[1].users`, or of the nearest that is written around it.
pub(super) fn locate(text: &str, field: &str) -> usize {
    let field = field.replace('[', ".[");
    let path: Vec<&str> = field.split('.').filter(|step| !step.is_empty()).collect();
    Locate(&path)
        .deserialize(serde_yaml::Deserializer::from_str(text))
        .err()
        .and_then(|error| error.location())
        .map_or(1, |location| location.line())
}

/// Follows a path and fails at its end, so that the error carries the place.
struct Locate<'a>(&'a [&'a str]);

impl<'de> DeserializeSeed<'de> for Locate<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.0 {
            [] => deserializer.deserialize_any(self),
            [step, ..] if step.starts_with('[') => deserializer.deserialize_seq(self),
            _ => deserializer.deserialize_map(self),
        }
    }
}

impl<'de> Visitor<'de> for Locate<'_> {
    type Value = ();

    /// The error that stands for "here": of whatever type the value is, unless the path leads on.
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the end of the path")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let index = self.0.first().and_then(|step| {
            let digits = step.trim_matches(['[', ']']);
            digits.parse::<usize>().ok()
        });
        let Some(index) = index else {
            return Err(A::Error::custom("here"));
        };
        for _ in 0..index {
            items.next_element::<IgnoredAny>()?;
        }
        items.next_element_seed(Locate(&self.0[1..]))?;
        Err(A::Error::custom("here"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let Some((wanted, rest)) = self.0.split_first() else {
            return Err(A::Error::custom("here"));
        };
        let last = rest.is_empty();
        while let Some(found) = entries.next_key_seed(LocateKey { wanted, last })? {
            if found {
                entries.next_value_seed(Locate(rest))?;
            } else {
                entries.next_value::<IgnoredAny>()?;
            }
        }
        Err(A::Error::custom("here"))
    }
}

/// Tells whether a key is the wanted one; fails there when it is the end of the path, because a value may begin on
/// another line.
struct LocateKey<'a> {
    wanted: &'a str,
    last: bool,
}

impl<'de> DeserializeSeed<'de> for LocateKey<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for LocateKey<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<bool, E> {
        match key == self.wanted {
            true if self.last => Err(E::custom("here")),
            found => Ok(found),
        }
    }
}
