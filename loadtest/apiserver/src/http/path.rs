//! The grammar of resource paths.

/// `/api/v1/namespaces/shop/pods/web/status`, taken apart. Absent parts are empty.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ResourcePath {
    pub(super) group: String,
    pub(super) version: String,
    pub(super) namespace: String,
    pub(super) resource: String,
    pub(super) name: String,
    pub(super) subresource: Option<String>,
}

impl ResourcePath {
    /// `None` when the path names no resource.
    pub(super) fn parse(path: &str) -> Option<Self> {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let (group, version, rest) = match parts.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return None,
        };
        // Below a namespace come its resources, except for the namespace's own subresources.
        let (namespace, rest) = match rest {
            ["namespaces", _, "status" | "finalize"] => ("", rest),
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (*namespace, rest),
            _ => ("", rest),
        };
        let (resource, name, subresource) = match rest {
            [resource] => (*resource, "", None),
            [resource, name] => (*resource, *name, None),
            [resource, name, subresource] => (*resource, *name, Some((*subresource).to_owned())),
            _ => return None,
        };
        Some(Self {
            group: group.to_owned(),
            version: version.to_owned(),
            namespace: namespace.to_owned(),
            resource: resource.to_owned(),
            name: name.to_owned(),
            subresource,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(path: &str) -> Option<(String, String, String, Option<String>)> {
        ResourcePath::parse(path)
            .map(|path| (path.namespace, path.resource, path.name, path.subresource))
    }

    #[test]
    fn paths() {
        let expect = |namespace: &str, resource: &str, name: &str, sub: Option<&str>| {
            Some((
                namespace.into(),
                resource.into(),
                name.into(),
                sub.map(str::to_owned),
            ))
        };
        assert_eq!(parts("/api/v1/pods"), expect("", "pods", "", None));
        assert_eq!(
            parts("/api/v1/namespaces"),
            expect("", "namespaces", "", None)
        );
        assert_eq!(
            parts("/api/v1/namespaces/a"),
            expect("", "namespaces", "a", None)
        );
        assert_eq!(
            parts("/api/v1/namespaces/a/finalize"),
            expect("", "namespaces", "a", Some("finalize"))
        );
        assert_eq!(
            parts("/api/v1/namespaces/a/pods"),
            expect("a", "pods", "", None)
        );
        assert_eq!(
            parts("/apis/apps/v1/namespaces/a/deployments/web/scale"),
            expect("a", "deployments", "web", Some("scale"))
        );
        assert_eq!(
            parts("/api/v1/nodes/n/status"),
            expect("", "nodes", "n", Some("status"))
        );
        assert_eq!(parts("/metrics"), None);
        assert_eq!(parts("/api/v1/a/b/c/d"), None);
    }
}
