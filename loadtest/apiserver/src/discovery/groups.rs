//! Which groups and versions are served, here or by extension servers, in discovery's order.
//!
//! The order matters to clients: kubectl takes a resource name that several groups know to mean
//! the one of the first.

use std::sync::Arc;

use crate::aggregation::Registration;
use crate::api::Api;
use crate::resource::Resource;

/// Priority of the groups of custom resource definitions, and of built-in ones not named below.
const CUSTOM_PRIORITY: i64 = 1_000;

/// A group and its versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) name: String,
    /// At least one, the preferred one first.
    pub(super) versions: Vec<String>,
    priority: i64,
}

/// The groups that this server serves itself; those of one priority are ordered by name.
pub(super) fn local(resources: &[Arc<Resource>]) -> Vec<Group> {
    let mut groups = Vec::new();
    for resource in resources {
        add(
            &mut groups,
            &resource.group,
            &resource.version,
            priority(&resource.group),
        );
    }
    sort(&mut groups);
    groups
}

/// The groups that can be used now: local ones and available extensions.
pub(super) fn all(api: &Api) -> Vec<Group> {
    let mut extensions = Registration::all(&api.store);
    extensions.retain(|registration| registration.is_listed(api));
    merged(local(&api.registry.all()), extensions)
}

/// Versions that are served here come before those of extension servers.
fn merged(mut groups: Vec<Group>, mut extensions: Vec<Registration>) -> Vec<Group> {
    extensions.sort_by_key(|one| -one.version_priority);
    for one in extensions {
        add(&mut groups, &one.group, &one.version, one.group_priority);
    }
    sort(&mut groups);
    groups
}

fn add(groups: &mut Vec<Group>, name: &str, version: &str, priority: i64) {
    match groups.iter_mut().find(|group| group.name == name) {
        Some(group) => {
            group.priority = group.priority.max(priority);
            if !group.versions.iter().any(|known| known == version) {
                group.versions.push(version.to_owned());
            }
        }
        None => groups.push(Group {
            name: name.to_owned(),
            versions: vec![version.to_owned()],
            priority,
        }),
    }
}

fn sort(groups: &mut [Group]) {
    groups.sort_by(|a, b| b.priority.cmp(&a.priority).then(a.name.cmp(&b.name)));
}

/// The priorities of kube-apiserver's own groups.
fn priority(group: &str) -> i64 {
    match group {
        "" | "apiregistration.k8s.io" => 18_000,
        "apps" => 17_800,
        "events.k8s.io" => 17_750,
        "autoscaling" => 17_500,
        "apiextensions.k8s.io" => 16_700,
        "coordination.k8s.io" => 16_500,
        "discovery.k8s.io" => 16_200,
        _ => CUSTOM_PRIORITY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::Registry;

    fn extension(
        group: &str,
        version: &str,
        group_priority: i64,
        version_priority: i64,
    ) -> Registration {
        Registration::for_tests(group, version, group_priority, version_priority)
    }

    #[test]
    fn priority_comes_before_name() {
        let groups = merged(
            local(&Registry::new().all()),
            vec![
                extension("metrics.k8s.io", "v1alpha1", 100, 10),
                extension("metrics.k8s.io", "v1beta1", 100, 100),
                extension("important.example.dev", "v1", 19_000, 15),
                extension("autoscaling", "v9", 100, 100),
            ],
        );
        let names: Vec<&str> = groups.iter().map(|group| group.name.as_str()).collect();
        assert_eq!(
            names[..3],
            ["important.example.dev", "", "apiregistration.k8s.io"]
        );
        let metrics = groups.last().unwrap();
        assert_eq!(metrics.name, "metrics.k8s.io");
        assert_eq!(metrics.versions, ["v1beta1", "v1alpha1"]);
        let autoscaling = groups.iter().find(|one| one.name == "autoscaling").unwrap();
        assert_eq!(autoscaling.versions, ["v2", "v1", "v9"]);
    }
}
