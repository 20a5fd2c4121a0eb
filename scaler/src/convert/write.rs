//! The text of a policy, with comments.

use scaler_core::Mode;
use scaler_core::policy::{API_VERSION, KIND, TARGET_API_VERSION, TARGET_KIND};

use super::hpa::Autoscaler;
use super::{Context, behavior, metrics};

/// The policy for `autoscaler`.
pub(super) fn policy(autoscaler: &Autoscaler, context: &Context) -> Result<String, String> {
    let Autoscaler {
        name,
        target,
        max_replicas,
        ..
    } = autoscaler;
    let namespace = autoscaler
        .namespace
        .as_deref()
        .unwrap_or(&context.namespace);
    let metrics = metrics::convert(&autoscaler.metrics, context)?;
    let behavior = behavior::convert(autoscaler.behavior.as_ref());
    let (min_replicas, min_note) = min_replicas(autoscaler.min_replicas);

    let mut lines = vec![
        format!("# From HorizontalPodAutoscaler {namespace}/{name}, by `scaler convert`."),
        format!(
            "# Decisions are shown, not carried out. When they please you, delete the HPA and set mode: {}.",
            Mode::Active.name()
        ),
    ];
    if autoscaler.namespace.is_none() {
        lines.push("# The HPA names no namespace.".to_owned());
    }
    lines.extend(
        autoscaler.hidden.iter().map(|key| {
            format!("# Annotation {key}: not carried over; convert it as autoscaling/v2.")
        }),
    );
    lines.extend([
        format!("apiVersion: {API_VERSION}"),
        format!("kind: {KIND}"),
        format!("metadata: {{name: {name}, namespace: {namespace}}}"),
        "spec:".to_owned(),
        format!(
            "  scaleTargetRef: {{apiVersion: {TARGET_API_VERSION}, kind: {TARGET_KIND}, name: {target}}}"
        ),
    ]);
    lines.extend(min_note.map(|note| format!("  # {note}")));
    lines.extend([
        format!("  minReplicas: {min_replicas}"),
        format!("  maxReplicas: {max_replicas}"),
        format!("  mode: {}", Mode::DryRun.name()),
    ]);
    lines.extend(metrics.notes.iter().map(|note| format!("  # {note}")));
    lines.push("  metrics:".to_owned());
    for entry in &metrics.entries {
        for (index, field) in entry.iter().enumerate() {
            let lead = if index == 0 { "- " } else { "  " };
            lines.push(format!("    {lead}{field}"));
        }
    }
    lines.push(format!("  # {}", behavior.note));
    lines.extend(behavior.lines);
    Ok(lines.join("\n") + "\n")
}

/// The HPA may scale to zero (a feature gate); nothing can be measured in no pods.
fn min_replicas(min: Option<i32>) -> (i32, Option<&'static str>) {
    match min {
        Some(0) => (
            1,
            Some(
                "minReplicas 0: not carried over, because without pods there is nothing to measure",
            ),
        ),
        Some(min) => (min, None),
        None => (1, None),
    }
}
