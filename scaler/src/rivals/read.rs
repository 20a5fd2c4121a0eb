//! What an HPA or a ScaledObject scales.

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::DynamicObject;
use scaler_core::{Rival, RivalKind};

use crate::workloads::DeploymentKey;

const SCALED_OBJECT: &str = RivalKind::ScaledObject.name();

/// The Deployment that an HPA scales; `None` when its target is of another kind.
///
/// An HPA that a ScaledObject owns is shown as that ScaledObject: deleting the HPA would not help,
/// KEDA makes it anew.
pub(super) fn of_hpa(hpa: &HorizontalPodAutoscaler) -> Option<(DeploymentKey, Rival)> {
    let target = &hpa.spec.scale_target_ref;
    let owner = hpa
        .metadata
        .owner_references
        .iter()
        .flatten()
        .find(|owner| owner.kind == SCALED_OBJECT && owner.api_version.starts_with("keda.sh/"));
    let kind = match owner {
        Some(_) => RivalKind::ScaledObject,
        None => RivalKind::HorizontalPodAutoscaler,
    };
    let name = owner.map(|owner| owner.name.as_str());
    rival(
        kind,
        name,
        &hpa.metadata,
        target.api_version.as_deref(),
        &target.kind,
        &target.name,
    )
}

/// The Deployment that a ScaledObject scales; `None` when its target is of another kind. A paused
/// one counts too: it may be resumed, and `paused-replicas` writes a count of its own.
pub(super) fn of_scaled_object(object: &DynamicObject) -> Option<(DeploymentKey, Rival)> {
    let target = object.data.get("spec")?.get("scaleTargetRef")?;
    let text = |field: &'static str| target.get(field).and_then(|value| value.as_str());
    rival(
        RivalKind::ScaledObject,
        None,
        &object.metadata,
        text("apiVersion"),
        text("kind").unwrap_or("Deployment"),
        text("name")?,
    )
}

fn rival(
    kind: RivalKind,
    name: Option<&str>,
    metadata: &ObjectMeta,
    api_version: Option<&str>,
    target_kind: &str,
    target_name: &str,
) -> Option<(DeploymentKey, Rival)> {
    // Old manifests say `extensions/v1beta1`; Deployments of other groups are somebody else's.
    let is_ours = api_version
        .filter(|version| !version.is_empty())
        .is_none_or(|version| version.starts_with("apps/") || version.starts_with("extensions/"));
    let namespace = metadata.namespace.as_deref()?;
    (is_ours && target_kind == "Deployment").then_some(())?;
    let rival = Rival {
        kind,
        namespace: namespace.to_owned(),
        name: name.or(metadata.name.as_deref())?.to_owned(),
    };
    Some((DeploymentKey::new(namespace, target_name), rival))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn hpa(target: Value, owners: Value) -> Option<String> {
        let hpa: HorizontalPodAutoscaler = serde_json::from_value(json!({
            "metadata": {"name": "keda-hpa-web", "namespace": "shop", "uid": "u",
                         "ownerReferences": owners},
            "spec": {"maxReplicas": 3, "scaleTargetRef": target},
        }))
        .unwrap();
        of_hpa(&hpa).map(|(key, rival)| format!("{key}: {rival}"))
    }

    fn scaled_object(spec: Value) -> Option<String> {
        let object: DynamicObject = serde_json::from_value(json!({
            "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject",
            "metadata": {"name": "web", "namespace": "shop", "uid": "u"}, "spec": spec,
        }))
        .unwrap();
        of_scaled_object(&object).map(|(key, rival)| format!("{key}: {rival}"))
    }

    #[test]
    fn an_hpa_is_a_rival_of_the_deployment_it_names() {
        let web = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"});
        assert_eq!(
            hpa(web.clone(), json!([])).as_deref(),
            Some("shop/web: HorizontalPodAutoscaler shop/keda-hpa-web")
        );
        let owner = json!([{"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject",
                            "name": "web", "uid": "o", "controller": true}]);
        assert_eq!(
            hpa(web, owner).as_deref(),
            Some("shop/web: ScaledObject shop/web")
        );
        let bare = json!({"kind": "Deployment", "name": "web"});
        assert!(hpa(bare, json!([])).is_some(), "apiVersion may be left out");
        for other in [
            json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "web"}),
            json!({"apiVersion": "example.com/v1", "kind": "Deployment", "name": "web"}),
        ] {
            assert_eq!(hpa(other, json!([])), None);
        }
    }

    #[test]
    fn a_scaled_object_is_a_rival_of_a_deployment_by_default() {
        let found = Some("shop/api: ScaledObject shop/web".to_owned());
        assert_eq!(
            scaled_object(json!({"scaleTargetRef": {"name": "api"}})),
            found
        );
        assert_eq!(
            scaled_object(json!({"scaleTargetRef": {"kind": "StatefulSet", "name": "api"}})),
            None
        );
        assert_eq!(scaled_object(json!({"scaleTargetRef": {}})), None);
        assert_eq!(scaled_object(json!({})), None);
    }
}
