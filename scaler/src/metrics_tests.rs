use std::collections::BTreeSet;

use super::{PrometheusBuilder, SamplesRefused};

/// What begins with `viperscale_` in `text`, up to the end of the name.
fn names(text: &str) -> BTreeSet<&str> {
    let starts = text.match_indices("viperscale_").map(|(at, _)| &text[at..]);
    let end = |name: &str| name.find(|c: char| c != '_' && !c.is_ascii_lowercase());
    starts
        .map(|name| &name[..end(name).unwrap_or(name.len())])
        .filter(|name| *name != "viperscale_")
        .collect()
}

/// Code, descriptions and METRICS.md name the same metrics.
#[test]
fn every_metric_is_described_and_documented() {
    let described = include_str!("metrics/describe.rs");
    let code = include_str!("metrics.rs").split("#[cfg(test)]").next();
    let recorded = code.unwrap();
    let documented = names(include_str!("../METRICS.md"));
    let described = names(described);
    assert_eq!(described, documented);
    let undescribed: Vec<_> = names(recorded).difference(&described).copied().collect();
    assert!(undescribed.is_empty(), "{undescribed:?}");
}

/// Windows begin anew with each leadership.
#[test]
fn counters_go_on_from_term_to_term() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    metrics::with_local_recorder(&recorder, || {
        let mut first_term = SamplesRefused::default();
        for so_far in [0, 3, 3, 5] {
            first_term.tell(so_far);
        }
        let mut second_term = SamplesRefused::default();
        second_term.tell(0);
        second_term.tell(2);
    });
    let rendered = handle.render();
    let line = "viperscale_samples_refused_total 7";
    assert!(rendered.lines().any(|found| found == line), "{rendered}");
}

/// What begins anew within the process would step back, or stand still until it has caught up.
#[test]
fn no_counter_is_set() {
    let code = include_str!("metrics.rs").split("#[cfg(test)]").next();
    assert!(!code.unwrap().contains(".absolute("));
}

/// <https://prometheus.io/docs/practices/naming/>
#[test]
fn names_follow_the_conventions() {
    let recorded = include_str!("metrics.rs").split("#[cfg(test)]").next();
    let code = format!(
        "{}{}",
        include_str!("metrics/describe.rs"),
        recorded.unwrap()
    );
    for (at, _) in code.match_indices("counter!(") {
        let quoted = code[at..].split('"').nth(1).unwrap();
        assert!(quoted.ends_with("_total"), "{quoted} counts");
    }
    for (at, _) in code.match_indices("histogram!(") {
        let quoted = code[at..].split('"').nth(1).unwrap();
        assert!(quoted.ends_with("_seconds"), "{quoted} has no unit");
    }
    for (at, _) in code.match_indices("gauge!(") {
        let quoted = code[at..].split('"').nth(1).unwrap();
        assert!(!quoted.ends_with("_total"), "{quoted} does not count");
    }
}
