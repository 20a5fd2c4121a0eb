//! Typed access to a document, which collects every problem instead of stopping at the first.
//!
//! A getter that returns `None` has noted why; the caller goes on with the other fields.

use std::cell::RefCell;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::yaml::{Node, Step};
use crate::unit::{Quantity, Unit};

/// What is wrong with one document: the first [`MOST_PROBLEMS`](super::MOST_PROBLEMS), because each
/// costs a reading of the text.
#[derive(Debug, Default)]
pub(super) struct Problems(RefCell<Vec<Problem>>);

/// One thing that is wrong.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) path: Vec<Step>,
    pub(super) message: String,
}

/// A value and the way to it.
#[derive(Debug, Clone)]
pub(super) struct Field<'a> {
    node: &'a Node,
    path: Vec<Step>,
    problems: &'a Problems,
}

/// A map whose fields are taken one by one; what is left in the end is unknown.
#[derive(Debug)]
pub(super) struct Section<'a> {
    entries: &'a [(String, Node)],
    known: Vec<&'static str>,
    path: Vec<Step>,
    problems: &'a Problems,
}

impl Problems {
    pub(super) fn into_inner(self) -> Vec<Problem> {
        self.0.into_inner()
    }

    pub(super) fn len(&self) -> usize {
        self.0.borrow().len()
    }

    fn add(&self, path: &[Step], message: String) {
        let mut problems = self.0.borrow_mut();
        if problems.len() < super::MOST_PROBLEMS {
            problems.push(Problem {
                path: path.to_vec(),
                message,
            });
        }
    }
}

impl<'a> Field<'a> {
    pub(super) fn root(node: &'a Node, problems: &'a Problems) -> Self {
        Self {
            node,
            path: Vec::new(),
            problems,
        }
    }

    /// Notes that this value is wrong.
    pub(super) fn problem(&self, message: impl Into<String>) {
        self.problems.add(&self.path, message.into());
    }

    /// Notes what should have been here. Returns `None`, for the caller to return.
    fn expected<T>(&self, what: &str) -> Option<T> {
        self.problem(format!("expected {what}, found {}", describe(self.node)));
        None
    }

    pub(super) fn section(&self) -> Option<Section<'a>> {
        match self.node {
            Node::Map(entries) => Some(Section {
                entries,
                known: Vec::new(),
                path: self.path.clone(),
                problems: self.problems,
            }),
            _ => self.expected("a map of fields"),
        }
    }

    pub(super) fn list(&self) -> Option<Vec<Field<'a>>> {
        let Node::List(items) = self.node else {
            return self.expected("a list");
        };
        let item = |(index, node)| {
            let mut path = self.path.clone();
            path.push(Step::Index(index));
            Field {
                node,
                path,
                problems: self.problems,
            }
        };
        Some(items.iter().enumerate().map(item).collect())
    }

    /// A scalar as it would be written.
    fn scalar(&self, what: &str) -> Option<String> {
        match self.node {
            Node::Text(text) => Some(text.clone()),
            Node::Number(number) => Some(number.to_string()),
            _ => self.expected(what),
        }
    }

    /// A name that Kubernetes accepts for objects and containers (RFC 1123), of at most `longest`
    /// characters.
    pub(super) fn name(&self, longest: usize) -> Option<String> {
        let what = "a name of lower-case letters, digits, `-` and `.`";
        let Node::Text(name) = self.node else {
            return self.expected(what);
        };
        let outer = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let well_formed = name.starts_with(outer)
            && name.ends_with(outer)
            && name.chars().all(|c| outer(c) || c == '-' || c == '.');
        match well_formed && name.len() <= longest {
            true => Some(name.clone()),
            false => self.expected(&format!("{what}, at most {longest} characters")),
        }
    }

    /// Exactly this text.
    pub(super) fn exactly(&self, wanted: &str) -> Option<()> {
        match self.node {
            Node::Text(text) if text == wanted => Some(()),
            _ => self.expected(&format!("`{wanted}`")),
        }
    }

    /// One of these words.
    pub(super) fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Option<T> {
        let found = match self.node {
            Node::Text(text) => choices.iter().find(|(word, _)| word == text),
            _ => None,
        };
        if found.is_none() {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            return self.expected(&format!("one of {}", words.join(", ")));
        }
        found.map(|(_, choice)| *choice)
    }

    pub(super) fn integer(&self, range: RangeInclusive<u32>) -> Option<u32> {
        match self.node {
            Node::Number(number)
                if number.fract() == 0.0
                    && (f64::from(*range.start())..=f64::from(*range.end())).contains(number) =>
            {
                Some(*number as u32)
            }
            _ => self.expected(&format!(
                "a whole number from {} to {}",
                range.start(),
                range.end()
            )),
        }
    }

    /// A finite number, not negative; `m` means thousandths, as in Kubernetes' quantities.
    pub(super) fn fraction(&self) -> Option<f64> {
        let what = "a number not below 0, such as `0.1` or `100m`";
        let text = self.scalar(what)?;
        let (digits, scale) = match text.strip_suffix('m') {
            Some(digits) => (digits, 1e-3),
            None => (text.as_str(), 1.0),
        };
        match digits.parse::<f64>() {
            Ok(number) if number.is_finite() && number >= 0.0 => Some(number * scale),
            _ => self.expected(what),
        }
    }

    /// A number in (0, 1].
    pub(super) fn probability(&self) -> Option<f64> {
        match self.node {
            Node::Number(number) if *number > 0.0 && *number <= 1.0 => Some(*number),
            _ => self.expected("a number above 0 and at most 1"),
        }
    }

    /// A positive quantity of `unit`.
    pub(super) fn quantity(&self, unit: Unit) -> Option<Quantity> {
        let text = self.scalar(unit.expectation())?;
        match Quantity::parse(&text, unit) {
            Ok(quantity) if quantity.value() > 0.0 => Some(quantity),
            Ok(_) => self.expected("a quantity above 0"),
            Err(error) => {
                self.problem(error.to_string());
                None
            }
        }
    }

    /// A duration in `range`.
    pub(super) fn duration(&self, range: RangeInclusive<Duration>) -> Option<Duration> {
        let text = self.scalar(Unit::Time.expectation())?;
        let quantity = match Quantity::parse(&text, Unit::Time) {
            Ok(quantity) => quantity,
            Err(error) => {
                self.problem(error.to_string());
                return None;
            }
        };
        let duration = Duration::from_nanos(quantity.value() as u64);
        match range.contains(&duration) {
            true => Some(duration),
            false => self.expected(&format!(
                "a duration from {:?} to {:?}",
                range.start(),
                range.end()
            )),
        }
    }
}

impl<'a> Section<'a> {
    /// The field `name`, if it is written; `name: null` counts as not written, as in Kubernetes.
    pub(super) fn optional(&mut self, name: &'static str) -> Option<Field<'a>> {
        self.known.push(name);
        let (_, node) = self.entries.iter().find(|(key, _)| key == name)?;
        if *node == Node::Null {
            return None;
        }
        Some(Field {
            node,
            path: self.path_to(name),
            problems: self.problems,
        })
    }

    /// The field `name`; without it, notes that `what` is missing.
    pub(super) fn required(&mut self, name: &'static str, what: &str) -> Option<Field<'a>> {
        let field = self.optional(name);
        if field.is_none() {
            self.problem(format!("field `{name}` is missing: expected {what}"));
        }
        field
    }

    /// Fields that may be there and are not ours to read.
    pub(super) fn ignore(&mut self, names: &[&'static str]) {
        self.known.extend(names);
    }

    /// Notes something that is wrong with the map as a whole.
    pub(super) fn problem(&self, message: impl Into<String>) {
        self.problems.add(&self.path, message.into());
    }

    /// Notes every field that nobody asked for.
    pub(super) fn finish(self) {
        for (key, _) in self.entries {
            if !self.known.contains(&key.as_str()) {
                let message = format!("unknown field; expected one of {}", self.known.join(", "));
                self.problems.add(&self.path_to(key), message);
            }
        }
    }

    fn path_to(&self, name: &str) -> Vec<Step> {
        let mut path = self.path.clone();
        path.push(Step::Key(name.to_owned()));
        path
    }
}

/// `spec.metrics[0].threshold`.
pub(super) fn path_text(path: &[Step]) -> String {
    path.iter().fold(String::new(), |text, step| match step {
        Step::Key(key) if text.is_empty() => key.clone(),
        Step::Key(key) => format!("{text}.{key}"),
        Step::Index(index) => format!("{text}[{index}]"),
    })
}

/// What is there, short enough for a message.
fn describe(node: &Node) -> String {
    match node {
        Node::Null => "nothing".to_owned(),
        Node::Bool(value) => format!("`{value}`"),
        Node::Number(value) => format!("`{value}`"),
        Node::Text(text) if text.chars().count() > 60 => {
            format!("`{}...`", text.chars().take(60).collect::<String>())
        }
        Node::Text(text) => format!("`{text}`"),
        Node::List(_) => "a list".to_owned(),
        Node::Map(_) => "a map".to_owned(),
    }
}
