//! Whether a kubeconfig allows what a comparison does, asked before anything is done.

use anyhow::{Context, Result, bail};
use comparison::Scenario;
use comparison::scenario::ShopSource;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::api::{DynamicObject, PostParams};
use kube::discovery::ApiResource;
use kube::{Api, Client};

/// A verb on a resource, `group/resource` as RBAC writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Right {
    verb: &'static str,
    group: &'static str,
    resource: &'static str,
    subresource: &'static str,
    cluster_wide: bool,
}

const fn right(verb: &'static str, group: &'static str, resource: &'static str) -> Right {
    Right {
        verb,
        group,
        resource,
        subresource: "",
        cluster_wide: false,
    }
}

/// What both autoscalers' trials do, in any shop.
const ALWAYS: [Right; 14] = [
    right("list", "autoscaling", "horizontalpodautoscalers"),
    right("watch", "autoscaling", "horizontalpodautoscalers"),
    right("create", "autoscaling", "horizontalpodautoscalers"),
    right("patch", "autoscaling", "horizontalpodautoscalers"),
    right("delete", "autoscaling", "horizontalpodautoscalers"),
    right("list", "apps", "deployments"),
    right("watch", "apps", "deployments"),
    right("patch", "apps", "deployments"),
    Right {
        subresource: "scale",
        ..right("patch", "apps", "deployments")
    },
    right("list", "apps", "replicasets"),
    right("list", "", "pods"),
    right("watch", "", "pods"),
    right("watch", "", "events"),
    Right {
        cluster_wide: true,
        ..right("list", "", "nodes")
    },
];

/// What creating the demo shop takes on top of it.
const DEMO: [Right; 4] = [
    right("create", "apps", "deployments"),
    right("create", "", "services"),
    Right {
        cluster_wide: true,
        ..right("create", "", "namespaces")
    },
    Right {
        cluster_wide: true,
        ..right("delete", "", "namespaces")
    },
];

/// Checks everything that the trials of `scenario` do.
///
/// # Errors
/// Names all rights that are missing.
pub(super) async fn check(client: &Client, scenario: &Scenario) -> Result<()> {
    let demo = scenario.shop.source == ShopSource::Demo;
    let wanted = ALWAYS.iter().chain(DEMO.iter().filter(|_| demo));
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let mut missing = Vec::new();
    for right in wanted {
        let namespace = (!right.cluster_wide).then_some(scenario.namespace.as_str());
        let answer = reviews
            .create(&PostParams::default(), &review(right, namespace))
            .await;
        match answer {
            Ok(answer) if answer.status.as_ref().is_some_and(|status| status.allowed) => {}
            Ok(_) => missing.push(right.say(namespace)),
            // Not every API server judges rights; then a dry run of the rarest one must do.
            Err(kube::Error::Api(error)) if error.code == 404 || error.code == 405 => {
                return try_out(client, scenario).await;
            }
            Err(error) => {
                return Err(error).context(
                    "the cluster does not tell what this user may do (SelfSubjectAccessReview): is the user known \
                     there?",
                );
            }
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    bail!(
        "the user of this context may not {}: grant that with a Role, or use another context with --context",
        missing.join(", ")
    )
}

impl Right {
    fn say(&self, namespace: Option<&str>) -> String {
        let separator = if self.subresource.is_empty() { "" } else { "/" };
        let group = if self.group.is_empty() {
            String::new()
        } else {
            format!(".{}", self.group)
        };
        let place = namespace.map_or("in the cluster".to_owned(), |namespace| {
            format!("in namespace {namespace}")
        });
        format!(
            "{} {}{group}{separator}{} {place}",
            self.verb, self.resource, self.subresource
        )
    }
}

fn review(right: &Right, namespace: Option<&str>) -> SelfSubjectAccessReview {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                namespace: namespace.map(str::to_owned),
                verb: some(right.verb),
                group: some(right.group),
                resource: some(right.resource),
                subresource: some(right.subresource),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    }
}

/// Creates an HPA object without creating it.
async fn try_out(client: &Client, scenario: &Scenario) -> Result<()> {
    if scenario.shop.source == ShopSource::Demo {
        // Its namespace is not there yet, and creating it is what would have to be tried.
        return Ok(());
    }
    let resource = ApiResource::erase::<HorizontalPodAutoscaler>(&());
    let api: Api<DynamicObject> =
        Api::namespaced_with(client.clone(), &scenario.namespace, &resource);
    let dry_run = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    for mut object in scenario.hpa_objects() {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        object["metadata"]["name"] = format!("{name}-may-be-created").into();
        let object = serde_json::from_value(object).context("an HPA object has no kind")?;
        match api.create(&dry_run, &object).await {
            Ok(_) => {}
            // No such namespace: that is for the check of the Deployments to say.
            Err(kube::Error::Api(error)) if error.code == 404 => return Ok(()),
            Err(error) => {
                return Err(error).with_context(|| {
                    format!(
                        "this user cannot create horizontalpodautoscalers.autoscaling in namespace {}",
                        scenario.namespace
                    )
                });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_is_said_as_rbac_writes_it() {
        let scale = ALWAYS
            .iter()
            .find(|right| !right.subresource.is_empty())
            .unwrap();
        let said = scale.say(Some("shop"));
        assert_eq!(said, "patch deployments.apps/scale in namespace shop");
        let nodes = ALWAYS.iter().find(|right| right.cluster_wide).unwrap();
        assert_eq!(nodes.say(None), "list nodes in the cluster");
        let asked = review(nodes, None).spec.resource_attributes.unwrap();
        assert_eq!((asked.group, asked.subresource), (None, None));
    }
}
