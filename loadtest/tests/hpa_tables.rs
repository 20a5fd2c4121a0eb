//! Kubernetes' own test tables of the HorizontalPodAutoscaler against `stock-hpa`: every case below
//! the directory `HPA_CASES` names (default: `hpa_cases` beside this file).

#[path = "../hpa/tests/cases/mod.rs"]
mod cases;

#[test]
fn hpa_tables() {
    cases::check(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/hpa_cases"));
}
