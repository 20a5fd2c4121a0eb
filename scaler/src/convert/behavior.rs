//! `spec.behavior`: the same words here and there, with other defaults.

use k8s_openapi::api::autoscaling::v2::{HPAScalingRules, HorizontalPodAutoscalerBehavior};

/// Lines of `spec.behavior`, indented to stand under `spec`, and what to know about them.
#[derive(Debug)]
pub(super) struct Converted {
    pub(super) lines: Vec<String>,
    pub(super) note: &'static str,
}

const DEFAULTS: &str = "the HPA's defaults were not carried over: it waits 300 s before it scales down, and \
                        doubles every 15 s; here both are faster, because values are seconds old";
const LEFT_OUT: &str =
    "as in the HPA; what it leaves out has Viperscale's defaults, which are faster";

/// Converts field by field; nothing is filled in.
pub(super) fn convert(behavior: Option<&HorizontalPodAutoscalerBehavior>) -> Converted {
    let sides = [
        ("scaleUp", behavior.and_then(|b| b.scale_up.as_ref())),
        ("scaleDown", behavior.and_then(|b| b.scale_down.as_ref())),
    ];
    let lines: Vec<String> = sides
        .into_iter()
        .filter_map(|(side, rules)| Some((side, rules?)))
        .flat_map(|(side, rules)| {
            let inner = rules_of(rules);
            // A map without fields is written as one.
            let head = match inner.is_empty() {
                true => format!("    {side}: {{}}"),
                false => format!("    {side}:"),
            };
            std::iter::once(head).chain(inner)
        })
        .collect();
    match lines.is_empty() {
        true => Converted {
            lines: vec!["  behavior: {}".to_owned()],
            note: DEFAULTS,
        },
        false => Converted {
            lines: std::iter::once("  behavior:".to_owned())
                .chain(lines)
                .collect(),
            note: LEFT_OUT,
        },
    }
}

fn rules_of(rules: &HPAScalingRules) -> Vec<String> {
    let field = |name: &str, value: String| format!("      {name}: {value}");
    let window = rules
        .stabilization_window_seconds
        .map(|seconds| field("stabilizationWindowSeconds", seconds.to_string()));
    let select = rules
        .select_policy
        .as_ref()
        .map(|select| field("selectPolicy", select.clone()));
    let tolerance = rules
        .tolerance
        .as_ref()
        .map(|tolerance| field("tolerance", format!("\"{}\"", tolerance.0)));
    let policies = rules.policies.iter().flatten().map(|policy| {
        format!(
            "      - {{type: {}, value: {}, periodSeconds: {}}}",
            policy.type_, policy.value, policy.period_seconds
        )
    });
    let mut policies = policies.peekable();
    let head = policies.peek().map(|_| "      policies:".to_owned());
    window
        .into_iter()
        .chain(select)
        .chain(tolerance)
        .chain(head)
        .chain(policies)
        .collect()
}
