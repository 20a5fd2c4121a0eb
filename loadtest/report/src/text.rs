//! Words and numbers as the report writes them.

use comparison::Autoscaler;
use comparison::comparison::{Metric, VerdictRow, Winner};
use comparison::measure::Measures;
use comparison::statistics::Estimate;

use crate::chart::scale::number;

/// A name on one line, without the characters that XML forbids.
#[must_use]
pub fn printable(text: &str) -> String {
    without_controls(text).replace('\n', " ")
}

/// Without the characters that XML forbids, which no text needs; line ends stay.
#[must_use]
pub fn without_controls(text: &str) -> String {
    text.chars()
        .filter(|c| *c == '\n' || !(c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}')))
        .collect()
}

/// As [`printable`], with numbers and the units behind them kept on one line.
#[must_use]
pub fn unbroken(text: &str) -> String {
    [" %", " s", " ms", " times"]
        .iter()
        .fold(printable(text), |text, unit| {
            let (mut joined, mut rest) = (String::new(), text.as_str());
            while let Some(at) = rest.find(unit) {
                let (before, after) = (&rest[..at], &rest[at + unit.len()..]);
                let number = before.ends_with(|c: char| c.is_ascii_digit());
                let word = after.starts_with(|c: char| c.is_alphanumeric());
                joined.push_str(before);
                joined.push_str(if number && !word { "\u{a0}" } else { " " });
                joined.push_str(&unit[1..]);
                rest = after;
            }
            joined + rest
        })
}

/// `12.3 s`, or `12.3` without a unit; `≥ 12.3 s` when that is all that is known.
#[must_use]
pub fn median(estimate: &Estimate, unit: &str) -> String {
    let bound = if estimate.is_lower_bound() {
        "\u{2265} "
    } else {
        ""
    };
    format!("{bound}{}", with_unit(estimate.median, unit))
}

/// `[9, 15]`: the 95 % interval.
#[must_use]
pub fn interval(estimate: &Estimate) -> String {
    format!("[{}, {}]", number(estimate.low), number(estimate.high))
}

/// A number and its unit.
#[must_use]
pub fn with_unit(value: f64, unit: &str) -> String {
    if unit.is_empty() {
        number(value)
    } else {
        format!("{}\u{a0}{unit}", number(value))
    }
}

/// A ratio in words: `83 % less`, `12 % more`, `the same`. Cut, not rounded, as the goals are: 66.9 % is not 67 %.
#[must_use]
pub fn change(ratio: f64) -> String {
    if !ratio.is_finite() {
        return "\u{2013}".to_owned();
    }
    if ratio >= 3.0 {
        return format!("{}\u{a0}times as much", number(ratio));
    }
    // The tiny addend undoes what binary fractions lose: 1 - 0.17 is a little less than 0.83.
    let percent = ((ratio - 1.0).abs() * 1000.0 + 1e-9).floor() / 10.0;
    if percent == 0.0 {
        return "the same".to_owned();
    }
    format!(
        "{percent}\u{a0}% {}",
        if ratio > 1.0 { "more" } else { "less" }
    )
}

/// Bytes in GiB or MiB.
#[must_use]
pub fn bytes(bytes: u64) -> String {
    let mib = bytes as f64 / f64::from(1 << 20);
    if mib >= 1024.0 {
        format!("{}\u{a0}GiB", number(mib / 1024.0))
    } else {
        format!("{}\u{a0}MiB", number(mib))
    }
}

/// `1 trial`, `2 trials`.
#[must_use]
pub fn count(number: usize, thing: &str) -> String {
    format!(
        "{number}\u{a0}{thing}{}",
        if number == 1 { "" } else { "s" }
    )
}

/// The date and time of a Unix timestamp in milliseconds, in UTC. Civil calendar after Howard Hinnant's
/// `civil_from_days`.
#[must_use]
pub fn utc(unix_ms: u64) -> String {
    let seconds = unix_ms / 1000;
    let days = (seconds / 86_400) as i64 + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!(
        "{year}-{month:02}-{day:02} {:02}:{:02} UTC",
        seconds / 3600 % 24,
        seconds / 60 % 60
    )
}

/// What a row of the verdict is of one trial, for the dots beside the medians; none where it has no value.
#[must_use]
pub fn of_trial(
    metric: Metric,
    measures: &Measures,
    uses_recommendation: impl Fn(&str) -> bool,
) -> Option<f64> {
    let reaction = &measures.reaction;
    Some(match metric {
        Metric::FailedRequests => measures.failed_requests as f64,
        Metric::FailedRecommendationRequests => measures
            .routes
            .iter()
            .filter(|(route, _)| uses_recommendation(route))
            .map(|(_, route)| route.failed_requests as f64)
            .sum(),
        Metric::ReplicaSeconds => measures.replica_seconds,
        Metric::FirstPatch => reaction
            .first_patch
            .as_ref()
            .map_or(reaction.observed_seconds, |patch| patch.after_step_seconds),
        Metric::Recovery => reaction
            .recovery_seconds
            .unwrap_or(reaction.observed_seconds),
        Metric::LatencyP95 => measures.latency.as_ref()?.p95_ms,
        Metric::LatencyP99 => measures.latency.as_ref()?.p99_ms,
        Metric::OverProvisioned => measures.over_replica_seconds,
        Metric::UnderProvisioned => measures.under_replica_seconds,
        Metric::CpuPerServedPage => measures.cpu_ms_per_served_page()?,
        Metric::OverheadCpuSeconds => measures.overhead_cpu_seconds?,
        Metric::DirectionChanges => f64::from(measures.direction_changes),
        Metric::Requests => measures.requests as f64,
    })
}

/// The autoscaler that a row names as better.
#[must_use]
pub fn winner(row: &VerdictRow) -> Option<Autoscaler> {
    match row.winner {
        Winner::Hpa => Some(Autoscaler::Hpa),
        Winner::Viperscale => Some(Autoscaler::Viperscale),
        Winner::Tie | Winner::TooFewTrials => None,
    }
}

/// A sentence that says what each row of the verdict means; units are in the row.
#[must_use]
pub fn meaning(metric: Metric) -> &'static str {
    match metric {
        Metric::FailedRequests => "Pages that users did not get.",
        Metric::FailedRecommendationRequests => "As in the thesis.",
        Metric::ReplicaSeconds => "Replicas asked for \u{d7} time: the cost.",
        Metric::FirstPatch => "Until a replica count was raised.",
        Metric::Recovery => "Until the last second with a failure.",
        Metric::LatencyP95 => "Of pages that users got.",
        Metric::LatencyP99 => "Of pages that users got.",
        Metric::OverProvisioned => "Replicas beyond the offline optimum \u{d7} time.",
        Metric::UnderProvisioned => "Replicas short of the offline optimum \u{d7} time.",
        Metric::CpuPerServedPage => "Used by all pods of the shop, idle ones too.",
        Metric::OverheadCpuSeconds => "Its own processes.",
        Metric::DirectionChanges => "Growth, then shrinking, or the reverse.",
        Metric::Requests => "Pages that ended: users who wait ask for fewer.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_put_in_words() {
        assert_eq!(change(0.17), "83\u{a0}% less");
        assert_eq!(change(1.042), "4.2\u{a0}% more");
        assert_eq!(change(1.0), "the same");
        assert_eq!(change(12.0), "12\u{a0}times as much");
        assert_eq!(change(0.0), "100\u{a0}% less");
        assert_eq!(change(0.001), "99.9\u{a0}% less");
        assert_eq!(change(0.962_3), "3.7\u{a0}% less");
    }

    #[test]
    fn units_stay_with_their_numbers() {
        assert_eq!(
            unbroken("at most 1.5 s, 67 % so"),
            "at most 1.5\u{a0}s, 67\u{a0}% so"
        );
        assert_eq!(unbroken("5 seconds"), "5 seconds");
    }

    #[test]
    fn dates_follow_the_calendar() {
        assert_eq!(utc(0), "1970-01-01 00:00 UTC");
        assert_eq!(utc(951_782_400_000), "2000-02-29 00:00 UTC");
        assert_eq!(utc(1_795_421_940_000), "2026-11-23 08:19 UTC");
    }

    #[test]
    fn control_characters_go() {
        assert_eq!(printable("a\u{0}b\u{1b}[31m\u{ffff}"), "ab[31m");
    }

    #[test]
    fn a_median_that_was_not_reached_says_so() {
        let estimate = Estimate {
            median: 90.0,
            low: 80.0,
            high: 90.0,
            trials: 5,
            at_least: 3,
        };
        assert_eq!(median(&estimate, "s"), "\u{2265} 90\u{a0}s");
        assert_eq!(interval(&estimate), "[80, 90]");
    }
}
