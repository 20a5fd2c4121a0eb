//! Pieces of cells: ages, durations, selectors.

use chrono::{DateTime, Duration, Utc};
use serde_json::Value;

use crate::object::{at, items, parse_time, text};

/// How long ago the object was created.
pub(super) fn age(value: &Value, now: DateTime<Utc>) -> String {
    since(text(value, "metadata.creationTimestamp"), now)
}

/// How long ago a timestamp was; `<unknown>` when it is none.
pub(super) fn since(timestamp: &str, now: DateTime<Utc>) -> String {
    parse_time(timestamp).map_or_else(|| "<unknown>".to_owned(), |then| duration(now - then))
}

/// A duration in kubectl's two-unit form: `5s`, `3m20s`, `5h`, `2d3h`.
pub(super) fn duration(duration: Duration) -> String {
    let seconds = duration.num_seconds().max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    let two = |large: i64, unit: &str, small: i64, small_unit: &str| {
        if small == 0 {
            format!("{large}{unit}")
        } else {
            format!("{large}{unit}{small}{small_unit}")
        }
    };
    match () {
        () if seconds < 120 => format!("{seconds}s"),
        () if minutes < 10 => two(minutes, "m", seconds % 60, "s"),
        () if hours < 3 => format!("{minutes}m"),
        () if hours < 8 => two(hours, "h", minutes % 60, "m"),
        () if hours < 48 => format!("{hours}h"),
        () if days < 8 => two(days, "d", hours % 24, "h"),
        () => format!("{days}d"),
    }
}

/// Joined texts, or `<none>`.
pub(super) fn or_none(parts: impl IntoIterator<Item = String>) -> String {
    let joined = parts.into_iter().collect::<Vec<_>>().join(",");
    if joined.is_empty() {
        "<none>".to_owned()
    } else {
        joined
    }
}

/// `a=b,c=d` of a map of strings.
pub(super) fn pairs(map: &Value) -> String {
    or_none(
        map.as_object()
            .into_iter()
            .flatten()
            .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())),
    )
}

/// One field of every container of a pod spec.
pub(super) fn containers(pod_spec: &Value, field: &str) -> String {
    or_none(
        items(pod_spec, "containers")
            .iter()
            .map(|one| text(one, field).to_owned()),
    )
}

/// The text at a path, or a placeholder.
pub(super) fn text_or(value: &Value, path: &str, placeholder: &str) -> String {
    match at(value, path) {
        Value::String(text) if !text.is_empty() => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        _ => placeholder.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_as_kubectl_prints_them() {
        for (seconds, expected) in [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (200, "3m20s"),
            (3_599, "59m"),
            (4 * 3_600 + 60, "4h1m"),
            (30 * 3_600, "30h"),
            (3 * 86_400, "3d"),
            (9 * 86_400, "9d"),
        ] {
            assert_eq!(duration(Duration::seconds(seconds)), expected);
        }
    }
}
