//! YAML text to a plain tree, and from a path in the tree back to a line.
//!
//! The only module that knows `serde_yaml`. That crate tells lines only in errors, and stops at the
//! first; so problems are collected on the tree, and each is located by reading the text once more
//! and failing on purpose where the problem is.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::{fmt, iter};

use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

/// A YAML value without its styles.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Node>),
    /// In the text's order; keys are unique.
    Map(Vec<(String, Node)>),
}

/// One step down the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

/// Text that is not the YAML of a [`Node`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SyntaxError {
    /// From 1.
    pub(super) line: usize,
    pub(super) message: String,
}

/// Values in one text, a long one counting as several. Policies of a whole cluster have fewer; a text
/// of some kilobytes that repeats its anchors (`*a`) can have as many as it likes.
const MOST_NODES: usize = 500_000;
/// Bytes of text that count as one value.
const NODE_BYTES: usize = 64;

/// A document, and the line (from 1) on which it begins.
#[derive(Debug, PartialEq)]
pub(super) struct Document {
    pub(super) line: usize,
    pub(super) root: Node,
}

/// The documents of `text` in order. After broken YAML there is no next document: the parser would
/// repeat its error for ever, or, after an unknown anchor, go on amid the broken one and panic.
///
/// Reads the text twice, side by side, because only an error tells a line.
pub(super) fn documents(text: &str) -> impl Iterator<Item = Result<Document, SyntaxError>> {
    let mut broken = false;
    let mut documents = serde_yaml::Deserializer::from_str(text);
    let mut places = serde_yaml::Deserializer::from_str(text);
    let budget = Cell::new(MOST_NODES);
    iter::from_fn(move || {
        if broken {
            return None;
        }
        let root = NodeSeed(&budget).deserialize(documents.next()?);
        broken = root.is_err();
        // The line of a broken document is that of what is broken.
        let line = match broken {
            true => 1,
            false => places.next().map_or(1, |place| line_of(place, &[])),
        };
        Some(match root {
            Ok(root) => Ok(Document { line, root }),
            Err(error) => Err(error.into()),
        })
    })
}

/// The line, from 1, of what `path` leads to in document `index`: of the key in a map, of the
/// value otherwise.
pub(super) fn locate(text: &str, index: usize, path: &[Step]) -> usize {
    serde_yaml::Deserializer::from_str(text)
        .nth(index)
        .map_or(1, |document| line_of(document, path))
}

fn line_of(document: serde_yaml::Deserializer<'_>, path: &[Step]) -> usize {
    Locate(path)
        .deserialize(document)
        .err()
        .and_then(|error| error.location())
        .map_or(1, |location| location.line())
}

impl From<serde_yaml::Error> for SyntaxError {
    fn from(error: serde_yaml::Error) -> Self {
        Self {
            line: error.location().map_or(1, |location| location.line()),
            message: error.to_string(),
        }
    }
}

/// Makes nodes, as many as are left.
#[derive(Clone, Copy)]
struct NodeSeed<'a>(&'a Cell<usize>);

impl NodeSeed<'_> {
    /// Takes a value with so much text, if that is left.
    fn take<E: de::Error>(self, bytes: usize) -> Result<(), E> {
        let left = self.0.get().checked_sub(1 + bytes / NODE_BYTES);
        let left = left.ok_or_else(|| {
            let problem = "too much for one file: expected at most";
            E::custom(format!(
                "{problem} {MOST_NODES} values, repeated ones included"
            ))
        })?;
        self.0.set(left);
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for NodeSeed<'_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        self.take(0)?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for NodeSeed<'_> {
    type Value = Node;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("plain YAML")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Number(value as f64))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Number(value as f64))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Node, E> {
        Ok(Node::Number(value as f64))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Node, E> {
        Ok(Node::Number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Number(value))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Node, E> {
        self.take(value.len())?;
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut map = Vec::new();
        let mut seen = BTreeSet::new();
        while let Some(key) = entries.next_key_seed(NewKey(&mut seen, self))? {
            map.push((key, entries.next_value_seed(self)?));
        }
        Ok(Node::Map(map))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, _tagged: A) -> Result<Node, A::Error> {
        Err(de::Error::custom(
            "tags (`!something`) have no meaning here",
        ))
    }
}

/// A key that is text and has not come before in its map.
struct NewKey<'a>(&'a mut BTreeSet<String>, NodeSeed<'a>);

impl<'de> DeserializeSeed<'de> for NewKey<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NewKey<'_> {
    type Value = String;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a field name")
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<String, E> {
        self.1.take(key.len())?;
        match self.0.insert(key.to_owned()) {
            true => Ok(key.to_owned()),
            false => Err(E::custom(format!("field `{key}` is written twice"))),
        }
    }
}

/// Follows a path and fails at its end, so that the error carries the place.
struct Locate<'a>(&'a [Step]);

impl<'de> DeserializeSeed<'de> for Locate<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Locate<'_> {
    fn here<E: de::Error>() -> E {
        E::custom("here")
    }
}

impl<'de> Visitor<'de> for Locate<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the end of the path")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Some((Step::Index(wanted), rest)) = self.0.split_first() else {
            return Err(Self::here());
        };
        for _ in 0..*wanted {
            items.next_element::<IgnoredAny>()?;
        }
        items.next_element_seed(Locate(rest))?;
        Err(Self::here())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let Some((Step::Key(wanted), rest)) = self.0.split_first() else {
            return Err(Self::here());
        };
        while let Some(found) = entries.next_key_seed(LocateKey {
            wanted,
            last: rest.is_empty(),
        })? {
            match found {
                true => entries.next_value_seed(Locate(rest))?,
                false => entries.next_value::<IgnoredAny>().map(drop)?,
            }
        }
        Err(Self::here())
    }
}

/// Tells whether a key is the wanted one; fails there when it is the end of the path.
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

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a field name")
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<bool, E> {
        match key == self.wanted {
            true if self.last => Err(Locate::here()),
            found => Ok(found),
        }
    }
}
