//! Label selectors in their text form, as `/scale` reports them.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

/// A parsed label selector: all requirements must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector(Vec<Requirement>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    Exists,
    Missing,
    In(BTreeSet<String>),
    /// Holds too when the label is missing.
    NotIn(BTreeSet<String>),
    Greater(i64),
    Less(i64),
}

/// A text is not a label selector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unable to parse requirement `{0}`: expected key, !key, key=value, key!=value, key in (a,b), \
         key notin (a,b), key>1 or key<1"
)]
pub struct SelectorError(String);

impl Selector {
    /// Whether these labels satisfy every requirement.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|requirement| {
            let value = labels.get(&requirement.key);
            let number = || value.and_then(|value| value.parse::<i64>().ok());
            match &requirement.test {
                Test::Exists => value.is_some(),
                Test::Missing => value.is_none(),
                Test::In(values) => value.is_some_and(|value| values.contains(value)),
                Test::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
                Test::Greater(bound) => number().is_some_and(|number| number > *bound),
                Test::Less(bound) => number().is_some_and(|number| number < *bound),
            }
        })
    }
}

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        split_requirements(text)
            .into_iter()
            .map(parse_requirement)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// Splits at the commas that are not inside parentheses.
fn split_requirements(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut depth) = (0, 0u32);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn parse_requirement(text: &str) -> Result<Requirement, SelectorError> {
    let text = text.trim();
    let error = || SelectorError(text.to_owned());
    let one = |value: &str| -> Result<BTreeSet<String>, SelectorError> {
        let value = value.trim();
        if is_value(value) {
            Ok(BTreeSet::from([value.to_owned()]))
        } else {
            Err(error())
        }
    };
    let (key, test) = if let Some(key) = text.strip_prefix('!') {
        (key, Test::Missing)
    } else if let Some((key, value)) = text.split_once("!=") {
        (key, Test::NotIn(one(value)?))
    } else if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        (key, Test::In(one(value)?))
    } else if let Some((head, list)) = text.split_once('(') {
        let list = list.trim_end().strip_suffix(')').ok_or_else(error)?;
        let values = list
            .split(',')
            .map(str::trim)
            .map(str::to_owned)
            .collect::<BTreeSet<_>>();
        if !values.iter().all(|value| is_value(value)) {
            return Err(error());
        }
        match head.split_whitespace().collect::<Vec<_>>()[..] {
            [key, "in"] => (key, Test::In(values)),
            [key, "notin"] => (key, Test::NotIn(values)),
            _ => return Err(error()),
        }
    } else if let Some((key, bound)) = text.split_once('>') {
        (
            key,
            Test::Greater(bound.trim().parse().map_err(|_| error())?),
        )
    } else if let Some((key, bound)) = text.split_once('<') {
        (key, Test::Less(bound.trim().parse().map_err(|_| error())?))
    } else {
        (text, Test::Exists)
    };
    let key = key.trim();
    if is_key(key) {
        Ok(Requirement {
            key: key.to_owned(),
            test,
        })
    } else {
        Err(error())
    }
}

fn is_key(key: &str) -> bool {
    !key.is_empty()
        && key
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c))
}

fn is_value(value: &str) -> bool {
    value.len() <= 63
        && value
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(selector: &str, labels: &[(&str, &str)]) -> bool {
        let labels = labels
            .iter()
            .map(|&(k, v)| (k.to_owned(), v.to_owned()))
            .collect();
        selector.parse::<Selector>().unwrap().matches(&labels)
    }

    #[test]
    fn requirements_hold_together() {
        let labels = [("app", "shop"), ("tier", "web"), ("rank", "7")];
        for yes in [
            "app=shop",
            "app==shop,tier=web",
            "app in (shop, bank),tier",
            "app notin (bank)",
            "absent notin (x)",
            "absent!=x",
            "!absent",
            "rank>6",
            "rank < 8",
        ] {
            assert!(matches(yes, &labels), "{yes}");
        }
        for no in [
            "app=bank",
            "app=shop,tier=db",
            "absent",
            "!app",
            "app!=shop",
            "rank>7",
        ] {
            assert!(!matches(no, &labels), "{no}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in [
            "cheddar cheese",
            "=x",
            "a=b c",
            "a in b",
            "a in (b",
            "a,,b",
            "a>b",
        ] {
            assert!(bad.parse::<Selector>().is_err(), "{bad}");
        }
    }
}
