//! What errors of the API server mean, and what to do about them.

use std::time::Duration;

use kube::runtime::watcher;

/// A server that wants to be left alone without saying for how long, as `429` from the API server's
/// own limits does (its `Retry-After: 1` is a header, which errors do not carry).
pub(super) const ASKED_TO_WAIT: Duration = Duration::from_secs(1);
/// Nobody is left alone for longer, whatever the answer says: a minute without decisions is worse.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(15);

/// Whether trying the same again may help.
pub fn is_transient(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => status.code == 429 || status.code >= 500,
        kube::Error::HyperError(_) | kube::Error::Service(_) | kube::Error::ReadEvents(_) => true,
        _ => false,
    }
}

/// How long the server wants to be left alone; zero when it said nothing of the kind.
pub fn retry_after(error: &kube::Error) -> Duration {
    let kube::Error::Api(status) = error else {
        return Duration::ZERO;
    };
    let said = status
        .details
        .as_ref()
        .map_or(0, |details| details.retry_after_seconds);
    match (said, status.code) {
        (0, 429) => ASKED_TO_WAIT,
        (seconds, _) => Duration::from_secs(seconds.into()).min(LONGEST_WAIT),
    }
}

/// Whether the server's certificate was refused: waiting does not change that.
pub(super) fn is_untrusted(error: &kube::Error) -> bool {
    chain(error).contains("invalid peer certificate")
}

/// The HTTP status that the API server answered with, if it answered.
pub fn status_code(error: &kube::Error) -> Option<u16> {
    match error {
        kube::Error::Api(status) => Some(status.code),
        _ => None,
    }
}

/// What went wrong with `verb` on `resource` (such as `deployments/scale`), and what to do.
pub fn explain(verb: &str, resource: &str, error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if status.code == 401 => format!(
            "unauthorized ({}): the token or certificate of the kubeconfig is not, or no longer, valid",
            status.message
        ),
        kube::Error::Api(status) if status.code == 403 => {
            let group = group_of(resource);
            // The only objects of the scaler's own namespace.
            let role = if resource == "leases" {
                "Role"
            } else {
                "ClusterRole"
            };
            format!(
                "forbidden: may not {verb} {resource} ({}); grant it to the scaler in a {role}: \
                 {{apiGroups: [\"{group}\"], resources: [\"{resource}\"], verbs: [{}]}}",
                status.message,
                needed_verbs(verb, resource),
            )
        }
        kube::Error::Api(status) => {
            format!("{verb} {resource}: {} ({})", status.message, status.code)
        }
        other if is_untrusted(other) => format!(
            "{}; expected a server whose certificate is signed by the CA of the kubeconfig \
             (certificate-authority-data), for the address that it names",
            chain(other)
        ),
        other => format!("{verb} {resource}: {}", chain(other)),
    }
}

/// [`explain`] for a failed watch.
pub fn explain_watch(resource: &str, error: &watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(error) => explain("list", resource, error),
        watcher::Error::WatchStartFailed(error) | watcher::Error::WatchFailed(error) => {
            explain("watch", resource, error)
        }
        other => format!("watch {resource}: {other}"),
    }
}

/// Whether the version to go on from is too old for the server (410): the next attempt lists.
pub fn is_expired(error: &watcher::Error) -> bool {
    match error {
        watcher::Error::WatchError(status) => status.code == 410,
        watcher::Error::WatchStartFailed(error) | watcher::Error::WatchFailed(error) => {
            status_code(error) == Some(410)
        }
        _ => false,
    }
}

fn group_of(resource: &str) -> &'static str {
    match resource {
        "pods" | "events" => "",
        "horizontalpodautoscalers" => "autoscaling",
        "scaledobjects" => "keda.sh",
        "leases" => "coordination.k8s.io",
        "scalingpolicies" | "scalingpolicies/status" => "viperscale.dev",
        _ => "apps",
    }
}

fn needed_verbs(verb: &str, resource: &str) -> &'static str {
    match (verb, resource) {
        (_, "deployments/scale") => "\"get\", \"patch\"",
        (_, "scalingpolicies/status") => "\"patch\"",
        (_, "events") => "\"create\", \"patch\"",
        (_, "leases") => "\"get\", \"create\", \"update\"",
        ("patch", "pods") => "\"get\", \"list\", \"watch\", \"patch\"",
        _ => "\"get\", \"list\", \"watch\"",
    }
}

/// An error with its causes, without the repetitions that wrapping brings.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
