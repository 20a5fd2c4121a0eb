//! Which container a cgroup path belongs to. Pure: no file is opened here.
//!
//! The kubelet names a pod's cgroup after the pod's UID and the runtime names the container's after
//! its id, so a path alone identifies a container. Four families of layouts exist:
//!
//! ```text
//! systemd driver   /kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod<uid_>.slice/cri-containerd-<id>.scope
//! cgroupfs driver  /kubepods/burstable/pod<uid>/<id>
//! mismatched       /system.slice/containerd.service/kubepods-burstable-pod<uid_>.slice:cri-containerd:<id>
//! nested (kind)    /docker/<id>/kubelet.slice/kubelet-kubepods.slice/…/kubelet-kubepods-pod<uid_>.slice/cri-containerd-<id>.scope
//! ```
//!
//! `<uid_>` writes the UID's dashes as underscores, because a dash in a slice's name means nesting.

use std::fmt;

mod names;
#[cfg(test)]
mod tests;

/// The UID of a pod as its API object states it: a UUID, or for a static pod 32 hexadecimal digits.
///
/// A static pod's cgroup carries the hash of its manifest, which is **not** the UID of its mirror
/// pod in the API; match containers by [`ContainerId`] where both are known.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PodUid(Box<str>);

/// The runtime's id of a container: 64 lower-case hexadecimal digits, without `containerd://`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContainerId(Box<str>);

/// Where in a container's own tree of cgroups a path lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership<'path> {
    /// The pod that owns the container.
    pub pod: PodUid,
    /// The container that owns the cgroup.
    pub container: ContainerId,
    /// The container's topmost cgroup: a prefix of the path that was parsed, and equal to it unless
    /// the path is a descendant such as CRI-O's `/container`.
    pub root: &'path str,
}

impl PodUid {
    /// Reads a UID, with dashes or with the underscores of a slice's name.
    pub fn parse(text: &str) -> Option<Self> {
        let uid = text.replace('_', "-");
        let well_formed = match uid.len() {
            32 => names::is_lower_hex(&uid),
            36 => uid.bytes().enumerate().all(|(index, byte)| match index {
                8 | 13 | 18 | 23 => byte == b'-',
                _ => names::is_lower_hex_digit(byte),
            }),
            _ => false,
        };
        well_formed.then(|| Self(uid.into_boxed_str()))
    }

    /// The UID as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ContainerId {
    /// Reads an id without scheme.
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() == 64 && names::is_lower_hex(text)).then(|| Self(text.into()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first 12 digits, by which container tools show ids.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

impl fmt::Display for PodUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The container that the cgroup at `path` belongs to, or `None` when it belongs to none: the
/// kubelet's own slices, a pod's cgroup above its containers, a runtime's monitor, the host's
/// services.
///
/// `path` is relative to the hierarchy's mount. When several nodes are nested (kind), the innermost
/// container wins.
pub fn membership(path: &str) -> Option<Membership<'_>> {
    let components = Components::of(path);
    (0..components.len()).rev().find_map(|index| {
        let (pod, container, last) = container_at(&components, index)?;
        Some(Membership {
            pod,
            container,
            root: components.prefix(path, last),
        })
    })
}

/// Reads the container whose pod is named by component `index`; also returns the index of the
/// component that names the container.
fn container_at(components: &Components<'_>, index: usize) -> Option<(PodUid, ContainerId, usize)> {
    let component = components.get(index)?;
    if let Some((slice, runtime_and_id)) = component.split_once(':') {
        let pod = names::pod_of_slice(slice)?;
        let (runtime, id) = runtime_and_id.split_once(':')?;
        let container = ContainerId::parse(id)?;
        return (!names::is_monitor(runtime)).then_some((pod, container, index));
    }
    let pod = names::pod_of_slice(component).or_else(|| {
        names::pod_of_directory(component).filter(|_| components.is_below_kubepods(index))
    })?;
    let container = names::container(components.get(index + 1)?)?;
    Some((pod, container, index + 1))
}

/// The non-empty components of a path, and where each ends.
struct Components<'path> {
    parts: Vec<(&'path str, usize)>,
}

impl<'path> Components<'path> {
    fn of(path: &'path str) -> Self {
        let mut start = 0;
        let mut parts = Vec::new();
        for part in path.split('/') {
            let end = start + part.len();
            if !part.is_empty() {
                parts.push((part, end));
            }
            start = end + 1;
        }
        Self { parts }
    }

    fn len(&self) -> usize {
        self.parts.len()
    }

    fn get(&self, index: usize) -> Option<&'path str> {
        self.parts.get(index).map(|&(part, _)| part)
    }

    /// The part of `path` up to and including component `index`.
    fn prefix(&self, path: &'path str, index: usize) -> &'path str {
        self.parts.get(index).map_or(path, |&(_, end)| &path[..end])
    }

    /// Whether component `index` lies where the cgroupfs driver puts pods: directly in `kubepods`
    /// (guaranteed) or in one of its two other classes.
    fn is_below_kubepods(&self, index: usize) -> bool {
        let above = |steps: usize| index.checked_sub(steps).and_then(|above| self.get(above));
        match above(1) {
            Some("kubepods") => true,
            Some("burstable" | "besteffort") => above(2) == Some("kubepods"),
            _ => false,
        }
    }
}
