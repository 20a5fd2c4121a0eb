//! Tables of custom resources, by their definition's `additionalPrinterColumns`.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::format::{age, since};
use crate::object;
use crate::resource::PrinterColumn;

/// (name, type, priority) of each column: the name, then the definition's, else the age.
pub(super) fn columns(columns: &[PrinterColumn]) -> Vec<(String, String, i64)> {
    let name = [("Name".to_owned(), "string".to_owned(), 0)];
    let age = columns
        .is_empty()
        .then(|| ("Age".to_owned(), "string".to_owned(), 0));
    // Dates are printed as ages, hence as strings.
    let kind = |kind: &str| if kind == "date" { "string" } else { kind }.to_owned();
    let own = columns
        .iter()
        .map(|column| (column.name.clone(), kind(&column.kind), column.priority));
    name.into_iter().chain(own).chain(age).collect()
}

/// The cells for [`columns`].
pub(super) fn cells(columns: &[PrinterColumn], value: &Value, now: DateTime<Utc>) -> Vec<Value> {
    let mut cells = vec![json!(object::name(value))];
    for column in columns {
        let found = by_path(value, &column.path);
        cells.push(match (column.kind.as_str(), found) {
            ("date", Some(Value::String(time))) => json!(since(time, now)),
            (_, Some(found)) => found.clone(),
            (_, None) => Value::Null,
        });
    }
    if columns.is_empty() {
        cells.push(json!(age(value, now)));
    }
    cells
}

/// The value at a simple JSON path: fields, `['field']`, `[3]`, and `[?(@.type=="Ready")]`, which
/// is what printer columns use in practice. `None` when absent or when the path is beyond that.
fn by_path<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    let mut rest = path.trim().trim_start_matches('{').trim_end_matches('}');
    let mut value = value;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('[') {
            let (inside, after) = after.split_once(']')?;
            value = by_bracket(value, inside)?;
            rest = after;
        } else {
            let field = rest.strip_prefix('.').unwrap_or(rest);
            let end = field.find(['.', '[']).unwrap_or(field.len());
            value = value.get(&field[..end])?;
            rest = &field[end..];
        }
    }
    Some(value)
}

fn by_bracket<'a>(value: &'a Value, inside: &str) -> Option<&'a Value> {
    if let Some(condition) = inside
        .strip_prefix("?(@.")
        .and_then(|rest| rest.strip_suffix(')'))
    {
        let (field, wanted) = condition.split_once("==")?;
        let wanted = wanted.trim().trim_matches(['"', '\'']);
        return value
            .as_array()?
            .iter()
            .find(|one| object::text(one, field.trim()) == wanted);
    }
    match inside.parse::<usize>() {
        Ok(index) => value.get(index),
        Err(_) => value.get(inside.trim_matches(['"', '\''])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_printer_columns() {
        let value = json!({"spec": {"a.b": 1, "list": [5, 6]},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]}});
        assert_eq!(by_path(&value, ".spec.list[1]"), Some(&json!(6)));
        assert_eq!(by_path(&value, ".spec['a.b']"), Some(&json!(1)));
        assert_eq!(
            by_path(&value, r#".status.conditions[?(@.type=="Ready")].status"#),
            Some(&json!("True"))
        );
        assert_eq!(by_path(&value, ".spec.missing"), None);
    }
}
