//! What the project set out to reach, and whether it did.

use super::{Goal, Metric, Pair};
use crate::statistics::Estimate;

/// The thesis' median reduction of failed requests against the HPA.
const FEWER_FAILURES: f64 = 0.67;
/// The reduction that is aimed for.
const FEWER_FAILURES_AIM: f64 = 0.90;
/// How many times sooner the first patch has to come.
const TIMES_SOONER: f64 = 10.0;
/// After how many seconds the first patch has to come at the latest.
const FIRST_PATCH_SECONDS: f64 = 1.5;

/// The goals of a metric, held against the medians.
pub(super) fn goals(metric: Metric, estimates: &Pair<Estimate>) -> Vec<Goal> {
    let (theirs, ours) = (&estimates.hpa, &estimates.viperscale);
    match metric {
        Metric::FailedRequests => vec![
            fewer(FEWER_FAILURES, false, theirs.median, ours.median),
            fewer(FEWER_FAILURES_AIM, true, theirs.median, ours.median),
        ],
        Metric::ReplicaSeconds => vec![not_more(theirs.median, ours.median)],
        Metric::FirstPatch => vec![sooner(theirs, ours), within(ours)],
        _ => Vec::new(),
    }
}

fn fewer(share: f64, aim: bool, theirs: f64, ours: f64) -> Goal {
    let text = format!("at least {:.0} % fewer than the HPA", share * 100.0);
    // A hair more, so that 33 of 100 are 67 % fewer in binary too.
    let reduction = 1.0 - ours / theirs + 1e-9;
    let (reached, met) = if theirs <= 0.0 {
        ("the HPA has none".to_owned(), None)
    } else if reduction >= 0.0 {
        // Rounded down: what is shown as the goal has reached it.
        let percent = (reduction * 1000.0).floor() / 10.0;
        (format!("{percent:.1} % fewer"), Some(reduction >= share))
    } else {
        (format!("{:.1} % more", -reduction * 100.0), Some(false))
    };
    Goal {
        text,
        reached,
        aim,
        met,
    }
}

fn not_more(theirs: f64, ours: f64) -> Goal {
    let reached = if theirs > 0.0 {
        format!("{:.2} times the HPA's", ours / theirs)
    } else {
        "the HPA has none".to_owned()
    };
    Goal {
        text: "not more than the HPA's".to_owned(),
        reached,
        aim: false,
        met: (theirs > 0.0).then_some(ours <= theirs),
    }
}

fn sooner(theirs: &Estimate, ours: &Estimate) -> Goal {
    let text = format!("at least {TIMES_SOONER:.0} times sooner than the HPA");
    let (reached, met) = if ours.is_lower_bound() {
        ("no patch before the end".to_owned(), Some(false))
    } else {
        // 1 ms is less than any patch takes, and keeps the ratio a number.
        let times = theirs.median / ours.median.max(1e-3);
        let least = if theirs.is_lower_bound() {
            "at least "
        } else {
            ""
        };
        (
            format!("{least}{times:.1} times sooner"),
            Some(times >= TIMES_SOONER),
        )
    };
    Goal {
        text,
        reached,
        aim: false,
        met,
    }
}

fn within(ours: &Estimate) -> Goal {
    let reached = if ours.is_lower_bound() {
        "no patch before the end".to_owned()
    } else {
        format!("{:.2} s", ours.median)
    };
    Goal {
        text: format!("within {FIRST_PATCH_SECONDS} s"),
        reached,
        aim: false,
        met: Some(!ours.is_lower_bound() && ours.median <= FIRST_PATCH_SECONDS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimate(median: f64, at_least: u32) -> Estimate {
        Estimate {
            median,
            low: median,
            high: median,
            trials: 5,
            at_least,
        }
    }

    fn told(metric: Metric, hpa: Estimate, viperscale: Estimate) -> Vec<(String, Option<bool>)> {
        let goals = goals(metric, &Pair { hpa, viperscale });
        goals
            .into_iter()
            .map(|goal| (goal.reached, goal.met))
            .collect()
    }

    #[test]
    fn goals_are_met_or_missed_by_medians() {
        let failures =
            |hpa, ours| told(Metric::FailedRequests, estimate(hpa, 0), estimate(ours, 0));
        let percent = |text: &str, demanded, aimed| {
            vec![
                (text.to_owned(), Some(demanded)),
                (text.to_owned(), Some(aimed)),
            ]
        };
        assert_eq!(failures(100.0, 33.0), percent("67.0 % fewer", true, false));
        assert_eq!(failures(100.0, 8.0), percent("92.0 % fewer", true, true));
        assert_eq!(
            failures(1000.0, 331.0),
            percent("66.9 % fewer", false, false)
        );
        assert_eq!(failures(100.0, 150.0), percent("50.0 % more", false, false));
        assert_eq!(failures(0.0, 3.0)[0], ("the HPA has none".to_owned(), None));
        let replicas = told(
            Metric::ReplicaSeconds,
            estimate(800.0, 0),
            estimate(1000.0, 0),
        );
        assert_eq!(replicas, [("1.25 times the HPA's".to_owned(), Some(false))]);
    }

    #[test]
    fn a_patch_that_never_came_is_told() {
        let patch = |hpa, ours| told(Metric::FirstPatch, hpa, ours);
        let soon = patch(estimate(100.0, 5), estimate(1.25, 0));
        assert_eq!(
            soon[0],
            ("at least 80.0 times sooner".to_owned(), Some(true))
        );
        assert_eq!(soon[1], ("1.25 s".to_owned(), Some(true)));
        let never = patch(estimate(15.0, 0), estimate(100.0, 5));
        assert!(
            never.iter().all(|(_, met)| *met == Some(false)),
            "{never:?}"
        );
    }
}
