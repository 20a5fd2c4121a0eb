//! What every metric is, for whoever scrapes.

use metrics::{describe_counter, describe_gauge, describe_histogram, gauge};

/// Describes all of them.
pub(super) fn all() {
    describe_gauge!("viperscale_agents_connected", "Node agents with a stream.");
    describe_gauge!(
        "viperscale_targets",
        "Containers that agents were told to measure."
    );
    describe_counter!(
        "viperscale_streams_total",
        "Agent streams, by how they ended or began."
    );
    describe_counter!(
        "viperscale_reports_total",
        "Reports received, by what became of them."
    );
    describe_counter!(
        "viperscale_samples_total",
        "Container samples, by what became of them."
    );
    describe_counter!(
        "viperscale_agent_dropped_reports_total",
        "Reports agents threw away."
    );
    describe_counter!(
        "viperscale_missing_targets_total",
        "Targets agents could not measure."
    );
    describe_counter!(
        "viperscale_configurations_total",
        "Configurations pushed to agents."
    );
    describe_gauge!("viperscale_leader", "1 while this scaler leads, else 0.");
    describe_counter!(
        "viperscale_leaderships_total",
        "Times that this scaler began to lead."
    );
    describe_counter!(
        "viperscale_lease_errors_total",
        "Requests for the Lease that failed."
    );
    describe_gauge!(
        "viperscale_api_failing_seconds",
        "For how long the API server has not answered as it should, by what was asked."
    );
    describe_gauge!("viperscale_policies", "Policies, by state.");
    describe_gauge!(
        "viperscale_policy_errors",
        "Problems in policy files and objects as they are now."
    );
    describe_counter!(
        "viperscale_policy_reloads_total",
        "Changes of the policies."
    );
    describe_counter!(
        "viperscale_watch_errors_total",
        "Failed watches of the API server."
    );
    describe_counter!("viperscale_decisions_total", "Decisions, by reason.");
    describe_histogram!(
        "viperscale_decision_seconds",
        "Time to decide for one deployment."
    );
    describe_gauge!(
        "viperscale_replicas_current",
        "spec.replicas seen by the last decision."
    );
    describe_gauge!(
        "viperscale_replicas_desired",
        "Replicas wanted by the last decision."
    );
    describe_gauge!(
        "viperscale_metric_value",
        "Value of a policy's metric, in its base unit."
    );
    describe_gauge!(
        "viperscale_metric_threshold",
        "Threshold of that metric, in its base unit."
    );
    describe_counter!(
        "viperscale_scale_writes_total",
        "Wanted replica changes, by result."
    );
    describe_histogram!(
        "viperscale_report_to_patch_seconds",
        "From the arrival of the deciding report to the API server's answer to the PATCH."
    );
    describe_counter!(
        "viperscale_events_total",
        "Kubernetes Events written, by result."
    );
    describe_gauge!("viperscale_policy_modes", "Policies in force, by mode.");
    describe_gauge!(
        "viperscale_conflicts",
        "Deployments under a policy that another autoscaler scales too."
    );
    describe_counter!(
        "viperscale_deletion_costs_total",
        "Pod deletion costs written before scale-downs or reset, by result."
    );
    describe_counter!(
        "viperscale_status_writes_total",
        "Statuses of policy objects, by what became of them."
    );
    describe_counter!(
        "viperscale_policy_objects_dropped_total",
        "Policy objects beyond the most that are taken."
    );
    describe_counter!(
        "viperscale_samples_refused_total",
        "Samples without room in the windows."
    );
    describe_gauge!(
        "viperscale_demand_cores",
        "Cores that the work of a deployment needs, by the queueing response."
    );
    describe_gauge!("viperscale_pods", "Pods of a deployment, by state.");
    describe_gauge!(
        "viperscale_condition",
        "Conditions of the policy of a deployment: 1 holds, 0 does not."
    );
    describe_counter!(
        "viperscale_recording_blocks_total",
        "Blocks of the recording, by what became of them."
    );
    describe_counter!(
        "viperscale_recording_bytes_total",
        "Bytes written to the recording."
    );
    describe_gauge!("viperscale_build_info", "1, with the version as label.");
    gauge!("viperscale_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
}
