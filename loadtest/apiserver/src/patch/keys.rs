//! By which field the elements of well-known lists are identified.
//!
//! A real server reads this from the types' `patchMergeKey` and `x-kubernetes-list-map-keys`;
//! this one knows the names of the lists, which are unambiguous in the kinds it serves, except
//! for `ports`, whose key depends on whether they are a container's or a service's.

use serde_json::Value;

/// The merge key of the list in `field` (whose elements come from the patch and the object);
/// `None` means the list is replaced as a whole.
pub(super) fn merge_key<'a>(
    field: &str,
    mut elements: impl Iterator<Item = &'a Value>,
) -> Option<&'static str> {
    let key = match field {
        "containers"
        | "initContainers"
        | "ephemeralContainers"
        | "volumes"
        | "env"
        | "imagePullSecrets"
        | "secrets"
        | "resourceClaims" => "name",
        "volumeMounts" => "mountPath",
        "volumeDevices" => "devicePath",
        "conditions" | "addresses" => "type",
        "hostAliases" | "podIPs" | "hostIPs" => "ip",
        "topologySpreadConstraints" => "topologyKey",
        "ownerReferences" => "uid",
        "taints" => "key",
        "containerStatuses" => "name",
        "ports" => {
            return match elements.next() {
                Some(element) if element.get("containerPort").is_some() => Some("containerPort"),
                // Endpoints and slices have `port`, too, but lists of them are atomic there and
                // nobody patches them strategically.
                Some(element) if element.get("port").is_some() => Some("port"),
                _ => None,
            };
        }
        _ => return None,
    };
    Some(key)
}

/// Lists of plain values that are merged as sets.
pub(super) fn is_set(field: &str) -> bool {
    field == "finalizers"
}
