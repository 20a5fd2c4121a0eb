//! The table of built-in resources.

use super::{Resource, ScalePaths};

/// Fluent rows for the table below.
fn row(group: &str, version: &str, kind: &str, plural: &str) -> Resource {
    Resource {
        group: group.to_owned(),
        version: version.to_owned(),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
        short_names: Vec::new(),
        categories: Vec::new(),
        namespaced: true,
        status: false,
        scale: None,
        extras: &[],
        storage_version: version.to_owned(),
        storage_group: group.to_owned(),
        columns: None,
        schema: None,
    }
}

impl Resource {
    fn short(mut self, names: &[&str]) -> Self {
        self.short_names = names.iter().map(|name| (*name).to_owned()).collect();
        self
    }

    /// Part of `kubectl get all`.
    fn in_all(mut self) -> Self {
        self.categories = vec!["all".to_owned()];
        self
    }

    fn cluster_scoped(mut self) -> Self {
        self.namespaced = false;
        self
    }

    fn with_status(mut self) -> Self {
        self.status = true;
        self
    }

    fn with_scale(mut self) -> Self {
        self.scale = Some(ScalePaths {
            spec: "/spec/replicas".to_owned(),
            status: "/status/replicas".to_owned(),
            selector: Some("/spec/selector".to_owned()),
        });
        self
    }

    fn stored_as(mut self, group: &str, version: &str) -> Self {
        self.storage_group = group.to_owned();
        self.storage_version = version.to_owned();
        self
    }
}

/// Every built-in resource; a group's preferred version stands first.
pub(super) fn table() -> Vec<Resource> {
    let mut pods = row("", "v1", "Pod", "pods")
        .short(&["po"])
        .in_all()
        .with_status();
    pods.extras = &[
        ("binding", "Binding", &["create"]),
        ("eviction", "Eviction", &["create"]),
        ("log", "Pod", &["get"]),
    ];
    let mut namespaces = row("", "v1", "Namespace", "namespaces").short(&["ns"]);
    namespaces.extras = &[("finalize", "Namespace", &["update"])];
    let hpa = |version| {
        row(
            "autoscaling",
            version,
            "HorizontalPodAutoscaler",
            "horizontalpodautoscalers",
        )
        .short(&["hpa"])
        .in_all()
        .with_status()
        .stored_as("autoscaling", "v2")
    };
    vec![
        namespaces.cluster_scoped().with_status(),
        pods,
        row("", "v1", "Node", "nodes")
            .short(&["no"])
            .cluster_scoped()
            .with_status(),
        row("", "v1", "Service", "services")
            .short(&["svc"])
            .in_all()
            .with_status(),
        row("", "v1", "Endpoints", "endpoints").short(&["ep"]),
        row("", "v1", "ConfigMap", "configmaps").short(&["cm"]),
        row("", "v1", "Secret", "secrets"),
        row("", "v1", "ServiceAccount", "serviceaccounts").short(&["sa"]),
        row("", "v1", "Event", "events").short(&["ev"]),
        row("apps", "v1", "Deployment", "deployments")
            .short(&["deploy"])
            .in_all()
            .with_status()
            .with_scale(),
        row("apps", "v1", "ReplicaSet", "replicasets")
            .short(&["rs"])
            .in_all()
            .with_status()
            .with_scale(),
        hpa("v2"),
        hpa("v1"),
        row("coordination.k8s.io", "v1", "Lease", "leases"),
        row("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices"),
        row("events.k8s.io", "v1", "Event", "events")
            .short(&["ev"])
            .stored_as("", "v1"),
        row("apiregistration.k8s.io", "v1", "APIService", "apiservices")
            .cluster_scoped()
            .with_status(),
        row(
            "apiextensions.k8s.io",
            "v1",
            "CustomResourceDefinition",
            "customresourcedefinitions",
        )
        .short(&["crd", "crds"])
        .cluster_scoped()
        .with_status(),
    ]
}
