//! What the kubeconfig's user has to be allowed, asked before anything is started.

use futures::future::try_join_all;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::api::{Api, PostParams};

use crate::metrics;
use crate::registration::LEASE_NAMESPACE;

/// One right: verbs on a resource (`resource` or `resource/subresource`), in one namespace or, when
/// that is empty, in all; of one object or, when that is empty, of any.
struct Right {
    verbs: &'static [&'static str],
    group: &'static str,
    resource: &'static str,
    namespace: &'static str,
    name: &'static str,
}

const fn right(
    verbs: &'static [&'static str],
    group: &'static str,
    resource: &'static str,
    namespace: &'static str,
    name: &'static str,
) -> Right {
    Right {
        verbs,
        group,
        resource,
        namespace,
        name,
    }
}

/// What running pods needs.
const NODE: &[Right] = &[
    right(&["create", "get", "patch", "delete"], "", "nodes", "", ""),
    right(&["patch"], "", "nodes/status", "", ""),
    right(
        &["create", "patch", "delete"],
        "coordination.k8s.io",
        "leases",
        LEASE_NAMESPACE,
        "",
    ),
    right(&["list", "watch", "delete"], "", "pods", "", ""),
    right(&["patch"], "", "pods/status", "", ""),
    right(&["list", "watch"], "", "services", "", ""),
    right(
        &["list", "watch"],
        "discovery.k8s.io",
        "endpointslices",
        "",
        "",
    ),
];

/// What serving metrics needs besides.
const METRICS: &[Right] = &[
    right(
        &["create", "get", "update", "delete"],
        "apiregistration.k8s.io",
        "apiservices",
        "",
        "",
    ),
    right(
        &["create", "get", "update", "delete"],
        "",
        "services",
        metrics::NAMESPACE,
        "",
    ),
    right(
        &["list", "watch"],
        "",
        "configmaps",
        metrics::NAMESPACE,
        metrics::CONFIG_MAP,
    ),
];

/// Which rights are missing, in words; empty when all are there, or when the control plane has no
/// authorization to ask.
///
/// # Errors
/// When the API server does not answer, or does not know who is asking.
pub(crate) async fn missing(client: &kube::Client, metrics: bool) -> kube::Result<Vec<String>> {
    let api: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let metrics = if metrics { METRICS } else { &[] };
    let asked = NODE.iter().chain(metrics).map(|right| async {
        let answers = right.verbs.iter().map(|verb| may(&api, right, verb));
        let answers = try_join_all(answers).await?;
        let denied = right.verbs.iter().zip(answers).filter(|(_, may)| !may);
        let denied: Vec<&str> = denied.map(|(verb, _)| *verb).collect();
        Ok((!denied.is_empty()).then(|| right.words(&denied)))
    });
    match try_join_all(asked).await {
        Ok(answers) => Ok(answers.into_iter().flatten().collect()),
        // Not served: everybody with credentials may do everything.
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 405) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

async fn may(
    api: &Api<SelfSubjectAccessReview>,
    right: &Right,
    verb: &'static str,
) -> kube::Result<bool> {
    let (resource, subresource) = match right.resource.split_once('/') {
        Some((resource, subresource)) => (resource, Some(subresource.to_owned())),
        None => (right.resource, None),
    };
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                verb: Some(verb.to_owned()),
                group: given(right.group),
                resource: Some(resource.to_owned()),
                subresource,
                namespace: given(right.namespace),
                name: given(right.name),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let answer = api.create(&PostParams::default(), &review).await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}

impl Right {
    /// `patch nodes/status`, `create, delete leases.coordination.k8s.io in kube-node-lease`.
    fn words(&self, verbs: &[&str]) -> String {
        let mut words = format!("{} {}", verbs.join(", "), self.resource);
        if !self.group.is_empty() {
            words = format!("{words}.{}", self.group);
        }
        if !self.name.is_empty() {
            words = format!("{words} {:?}", self.name);
        }
        if !self.namespace.is_empty() {
            words = format!("{words} in {}", self.namespace);
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_named_as_roles_name_them() {
        let words: Vec<String> = NODE
            .iter()
            .chain(METRICS)
            .map(|right| right.words(right.verbs))
            .collect();
        assert_eq!(words[1], "patch nodes/status");
        assert_eq!(
            words[2],
            "create, patch, delete leases.coordination.k8s.io in kube-node-lease"
        );
        let last = "list, watch configmaps \"extension-apiserver-authentication\" in kube-system";
        assert_eq!(words.last().unwrap(), last);
    }
}
