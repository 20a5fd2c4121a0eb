//! What the single names in a cgroup path mean.

use super::{ContainerId, PodUid};

/// Reads `[<parent>-]kubepods[-burstable|-besteffort]-pod<uid>.slice`.
///
/// The parent's name is in front when the kubelet runs below a cgroup root of its own, as kind's
/// does (`kubelet-kubepods-…`).
pub(super) fn pod_of_slice(component: &str) -> Option<PodUid> {
    let name = component.strip_suffix(".slice")?;
    // A UID has no `-pod` inside, so the last one is the separator.
    let (class, uid) = name.rsplit_once("-pod")?;
    let class = class
        .strip_suffix("-burstable")
        .or_else(|| class.strip_suffix("-besteffort"))
        .unwrap_or(class);
    let is_kubepods = class == "kubepods" || class.ends_with("-kubepods");
    is_kubepods.then(|| PodUid::parse(uid)).flatten()
}

/// Reads `pod<uid>`, the cgroupfs driver's name of a pod.
pub(super) fn pod_of_directory(component: &str) -> Option<PodUid> {
    PodUid::parse(component.strip_prefix("pod")?)
}

/// Reads the name of a container's cgroup: `<id>`, `<runtime>-<id>` or `<runtime>-<id>.scope`.
pub(super) fn container(component: &str) -> Option<ContainerId> {
    let name = component.strip_suffix(".scope").unwrap_or(component);
    match name.rsplit_once('-') {
        Some((runtime, _)) if is_monitor(runtime) => None,
        Some((_, id)) => ContainerId::parse(id),
        None => ContainerId::parse(name),
    }
}

/// Whether this is a process that watches a container from beside it (`crio-conmon`,
/// `libpod-conmon`): its work is not the container's.
pub(super) fn is_monitor(runtime: &str) -> bool {
    runtime.ends_with("conmon")
}

pub(super) fn is_lower_hex(text: &str) -> bool {
    text.bytes().all(is_lower_hex_digit)
}

pub(super) fn is_lower_hex_digit(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}
