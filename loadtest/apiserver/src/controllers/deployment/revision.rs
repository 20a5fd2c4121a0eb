//! Revisions: the replica set of a pod template, its name, and its number.

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet, ReplicaSetSpec};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use kube::api::{Api, ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Resource, ResourceExt};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::Rollout;
use crate::controllers::{Doing, Error};

/// Tells the pods of different revisions apart; in every selector of a deployment's sets.
pub(super) const HASH_LABEL: &str = "pod-template-hash";
const REVISION: &str = "deployment.kubernetes.io/revision";
/// No vowels and no look-alikes, as upstream's `SafeEncodeString`.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// Whether the set runs the deployment's present template.
pub(super) fn has_template(set: &ReplicaSet, deployment: &Deployment) -> bool {
    let wanted = &deployment.spec.template;
    let mut found = set.spec.template.clone();
    if let Some(labels) = found
        .as_mut()
        .and_then(|template| template.metadata.as_mut())
        .and_then(|metadata| metadata.labels.as_mut())
    {
        labels.remove(HASH_LABEL);
    }
    found.as_ref() == Some(wanted)
}

/// Ten letters that stand for a template. `collisions` changes them when two templates collide.
fn template_hash(template: &PodTemplateSpec, collisions: i32) -> String {
    let mut hasher = Sha256::new();
    // A template came from JSON and goes back into it.
    hasher.update(serde_json::to_vec(template).unwrap_or_default());
    hasher.update(collisions.to_be_bytes());
    let digest = hasher.finalize();
    digest[..10]
        .iter()
        .map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]))
        .collect()
}

fn number(object: &impl ResourceExt) -> i64 {
    object
        .annotations()
        .get(REVISION)
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}

impl Rollout {
    /// The number of the present revision: one more than any former one has.
    fn revision_number(&self) -> i64 {
        let former = self.old.iter().map(number).max().unwrap_or(0);
        self.current.as_ref().map_or(0, number).max(former + 1)
    }

    /// Creates the replica set of the present template. `None` when its name is taken by another
    /// template: the status then counts a collision, and the next reconciliation picks another.
    pub(super) async fn create_set(&self, replicas: i32) -> Result<Option<ReplicaSet>, Error> {
        let spec = self.deployment.spec.clone();
        let status = self.deployment.status.as_ref();
        let collisions = status
            .and_then(|status| status.collision_count)
            .unwrap_or(0);
        let hash = template_hash(&spec.template, collisions);
        let name = format!("{}-{hash}", self.deployment.name_any());
        let mut template = spec.template;
        let metadata = template.metadata.get_or_insert_default();
        metadata
            .labels
            .get_or_insert_default()
            .insert(HASH_LABEL.to_owned(), hash.clone());
        let mut selector = spec.selector;
        selector
            .match_labels
            .get_or_insert_default()
            .insert(HASH_LABEL.to_owned(), hash);
        let set = ReplicaSet {
            metadata: ObjectMeta {
                name: Some(name.clone()),
                namespace: self.deployment.namespace(),
                labels: template
                    .metadata
                    .as_ref()
                    .and_then(|metadata| metadata.labels.clone()),
                annotations: Some(
                    [(REVISION.to_owned(), self.revision_number().to_string())].into(),
                ),
                owner_references: self.deployment.controller_owner_ref(&()).map(|mut owner| {
                    owner.block_owner_deletion = Some(true);
                    vec![owner]
                }),
                ..ObjectMeta::default()
            },
            spec: ReplicaSetSpec {
                min_ready_seconds: spec.min_ready_seconds,
                replicas: Some(replicas),
                selector,
                template: Some(template),
            },
            status: None,
        };
        match self.sets.create(&PostParams::default(), &set).await {
            Err(kube::Error::Api(status)) if status.reason == "AlreadyExists" => {
                self.count_collision(collisions + 1).await?;
                Ok(None)
            }
            created => {
                let created = created.doing(format!("create replica set {name}"))?;
                if replicas > 0 {
                    self.note(format!("Scaled up replica set {name} from 0 to {replicas}"));
                }
                Ok(Some(created))
            }
        }
    }

    async fn count_collision(&self, collisions: i32) -> Result<(), Error> {
        let namespace = self.deployment.namespace().unwrap_or_default();
        let deployments: Api<Deployment> = Api::namespaced(self.context.client.clone(), &namespace);
        let patch = json!({"status": {"collisionCount": collisions}});
        deployments
            .patch_status(
                &self.deployment.name_any(),
                &PatchParams::default(),
                &Patch::Merge(&patch),
            )
            .await
            .doing("count a collision of template hashes")?;
        Ok(())
    }

    /// Keeps the revision annotations of the present set and of the deployment up to date, as
    /// `kubectl rollout` reads them.
    pub(super) async fn record_revision(&mut self, namespace: &str) -> Result<(), Error> {
        let Some(current) = &self.current else {
            return Ok(());
        };
        let revision = self.revision_number();
        let patch = json!({"metadata": {"annotations": {REVISION: revision.to_string()}}});
        let parameters = PatchParams::default();
        if number(current) != revision {
            let name = current.name_any();
            let updated = self
                .sets
                .patch(&name, &parameters, &Patch::Merge(&patch))
                .await
                .doing(format!("number replica set {name}"))?;
            self.current = Some(updated);
        }
        if number(&self.deployment) != revision {
            let deployments: Api<Deployment> =
                Api::namespaced(self.context.client.clone(), namespace);
            self.deployment = deployments
                .patch(
                    &self.deployment.name_any(),
                    &parameters,
                    &Patch::Merge(&patch),
                )
                .await
                .doing("number the deployment's revision")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_told_apart() {
        let template = |image: &str| -> PodTemplateSpec {
            serde_json::from_value(json!({"spec": {"containers": [{"name": "a", "image": image}]}}))
                .unwrap()
        };
        let hash = template_hash(&template("a:1"), 0);
        assert_eq!(hash.len(), 10);
        assert_eq!(hash, template_hash(&template("a:1"), 0));
        assert_ne!(hash, template_hash(&template("a:2"), 0));
        assert_ne!(hash, template_hash(&template("a:1"), 1));
    }
}
