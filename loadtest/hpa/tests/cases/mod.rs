//! Runs the tables: one file per group, one JSON array per file. Each case's input goes through the
//! library, and what comes out is compared with what upstream asserts (`expected`) and with what the
//! stock code really did (`observed`).

mod calculator;
mod history;
mod pass_input;
mod report;
mod schema;
mod whole_pass;

use std::path::PathBuf;

use report::Report;

/// Runs every group below `HPA_CASES`, or below `default`; panics with all that is wrong.
pub(crate) fn check(default: &str) {
    let dir = std::env::var_os("HPA_CASES").map_or_else(|| PathBuf::from(default), PathBuf::from);
    let mut report = Report::new(dir);
    report.group("replica_calculator", calculator::replicas);
    report.group("group_pods", calculator::group_pods);
    report.group("calculate_requests", calculator::requests);
    report.group("usage_ratio", calculator::usage_ratio);
    report.group("metrics_client", calculator::metrics_client);
    report.group("build_quantity", calculator::build_quantity);
    report.group("behavior_defaults", history::behavior_defaults);
    report.group("scale_limits", history::scale_limits);
    report.group("scaling_with_rules", history::scaling_with_rules);
    report.group(
        "convert_desired_replicas_with_rules",
        history::convert_desired_replicas,
    );
    report.group("stabilize_recommendation", history::stabilize);
    report.group("stabilize_with_behavior", history::stabilize_with_behavior);
    report.group("store_scale_events", history::store_scale_events);
    report.group("reconcile", whole_pass::reconcile);
    report.finish();
}
