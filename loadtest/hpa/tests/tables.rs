//! Kubernetes' own test tables against this crate; `cargo test -p loadtest hpa_tables` runs the same.

mod cases;

#[test]
fn hpa_tables() {
    cases::check(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/hpa_cases"));
}
