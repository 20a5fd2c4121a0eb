//! Label selectors: equality based (`a=b`, `a!=b`) and set based (`a in (b,c)`, `a`, `!a`).

use std::str::FromStr;

use serde_json::{Map, Value};

use crate::error::ApiError;

/// All requirements must hold.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct LabelSelector(Vec<Requirement>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    In(Vec<String>),
    /// Holds for objects without the label, too.
    NotIn(Vec<String>),
    Exists,
    Absent,
}

impl LabelSelector {
    /// Whether it selects everything.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether these labels satisfy every requirement.
    pub(crate) fn matches(&self, labels: Option<&Map<String, Value>>) -> bool {
        self.0.iter().all(|requirement| {
            let value = labels
                .and_then(|labels| labels.get(&requirement.key))
                .and_then(Value::as_str);
            match (&requirement.test, value) {
                (Test::In(wanted), Some(value)) => wanted.iter().any(|one| one == value),
                (Test::In(_) | Test::Exists, None) => false,
                (Test::NotIn(unwanted), Some(value)) => unwanted.iter().all(|one| one != value),
                (Test::NotIn(_) | Test::Absent, None) | (Test::Exists, Some(_)) => true,
                (Test::Absent, Some(_)) => false,
            }
        })
    }
}

impl FromStr for LabelSelector {
    type Err = ApiError;

    fn from_str(text: &str) -> Result<Self, ApiError> {
        split_outside_parentheses(text)
            .filter(|part| !part.is_empty())
            .map(parse_requirement)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// Splits at commas that are not inside `(...)`.
fn split_outside_parentheses(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_u32;
    text.split(move |character| {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        character == ',' && depth == 0
    })
    .map(str::trim)
}

fn parse_requirement(text: &str) -> Result<Requirement, ApiError> {
    let bad = || ApiError::BadRequest(format!("unable to parse requirement: {text:?}"));
    let one = |key: &str, value: &str, test: fn(Vec<String>) -> Test| {
        (key.trim().to_owned(), test(vec![value.trim().to_owned()]))
    };
    let (key, test) = if let Some((key, value)) = text.split_once("!=") {
        one(key, value, Test::NotIn)
    } else if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        one(key, value, Test::In)
    } else if let Some((head, set)) = text.split_once('(') {
        let set = set.strip_suffix(')').ok_or_else(bad)?;
        let values = set
            .split(',')
            .map(|value| value.trim().to_owned())
            .collect();
        match head.split_whitespace().collect::<Vec<_>>().as_slice() {
            [key, "in"] => ((*key).to_owned(), Test::In(values)),
            [key, "notin"] => ((*key).to_owned(), Test::NotIn(values)),
            _ => return Err(bad()),
        }
    } else if let Some(key) = text.strip_prefix('!') {
        (key.trim().to_owned(), Test::Absent)
    } else {
        (text.to_owned(), Test::Exists)
    };
    let allowed = |character: char| character.is_ascii_alphanumeric() || "-_./".contains(character);
    if key.is_empty() || !key.chars().all(allowed) {
        return Err(bad());
    }
    Ok(Requirement { key, test })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn matches(selector: &str, labels: Value) -> bool {
        selector
            .parse::<LabelSelector>()
            .unwrap()
            .matches(labels.as_object())
    }

    #[test]
    fn every_operator() {
        let labels = json!({"app": "web", "tier": "front"});
        for (selector, expected) in [
            ("", true),
            ("app=web", true),
            ("app==web,tier=front", true),
            ("app=web,tier=back", false),
            ("app!=web", false),
            ("missing!=x", true),
            ("app in (api, web),tier", true),
            ("app notin (api,web)", false),
            ("missing notin (x)", true),
            ("app", true),
            ("!app", false),
            ("!missing", true),
            ("missing", false),
        ] {
            assert_eq!(matches(selector, labels.clone()), expected, "{selector}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for selector in ["a in b", "a in (b", "=x", "a b", "a within (b)"] {
            assert!(selector.parse::<LabelSelector>().is_err(), "{selector}");
        }
    }
}
