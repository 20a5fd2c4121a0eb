//! A small simulated cluster: nothing is lost, every crossing is answered, and everybody comes back.
//!
//! How much the scaler takes for 5,000 nodes is measured on a quiet machine, with a release build:
//! `loadtest fleet`. Here the same path runs in seconds, on any machine.

use std::process::Command;

use viperscale_tests::programs;

#[test]
fn a_small_fleet_loses_nothing_and_comes_back() {
    let parent = tempfile::tempdir().unwrap();
    let output = Command::new(&programs().loadtest)
        .args(["fleet", "--nodes", "10,60", "--pods-per-node", "20"])
        .args(["--seconds", "5", "--json", "--dir"])
        .arg(parent.path())
        .output()
        .expect("loadtest starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is JSON");

    assert_eq!(
        report["sizes"].as_array().map(Vec::len),
        Some(2),
        "{report}"
    );
    assert_eq!(report["nodes"], 60, "the last size is at the top");
    for size in report["sizes"].as_array().into_iter().flatten() {
        let number = |key: &str| {
            size[key]
                .as_f64()
                .unwrap_or_else(|| panic!("{key}: {size}"))
        };
        for none in [
            "reports_lost",
            "crossings_unanswered",
            "changes_unasked",
            "wrong_configurations",
        ] {
            assert_eq!(number(none), 0.0, "{none}: {size}");
        }
        assert!(number("crossings") >= 2.0, "{size}");
        assert!(number("report_to_patch_p99_ms") > 0.0, "{size}");
        assert!(number("scaler_cores") > 0.0, "{size}");
        assert!(number("scaler_rss_bytes") > 1e6, "{size}");
        assert!(number("storm_settled_ms") < 10_000.0, "{size}");
    }
}
