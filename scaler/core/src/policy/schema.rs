//! The schema of a ScalingPolicy: which fields there are and what they may say.

use super::behavior_schema::behavior;
use super::fields::{Field, Problems};
use super::limits::{
    DEFAULT_MIN_REPLICAS, DEFAULT_WARMUP, DEFAULT_WINDOW, FALLBACK_AFTER, LONGEST_LABEL,
    LONGEST_NAME, MOST_REPLICAS, WARMUP, WINDOW,
};
use super::metric_schema::metrics;
use super::yaml::Node;
use super::{Claim, Mode, Origin, ScalingPolicy};
use crate::behavior::Behavior;
use crate::fallback::Fallback;

/// What `apiVersion` says.
pub const API_VERSION: &str = "viperscale.dev/v1alpha1";
/// What `kind` says.
pub const KIND: &str = "ScalingPolicy";
/// The only `spec.scaleTargetRef.apiVersion`.
pub const TARGET_API_VERSION: &str = "apps/v1";
/// The only `spec.scaleTargetRef.kind`.
pub const TARGET_KIND: &str = "Deployment";

/// Reads one document; `None` when something essential is missing, which has been noted.
pub(super) fn policy(document: &Field<'_>) -> Option<ScalingPolicy> {
    let mut root = document.section()?;
    if let Some(version) = root.required("apiVersion", API_VERSION) {
        version.exactly(API_VERSION);
    }
    if let Some(kind) = root.required("kind", KIND) {
        kind.exactly(KIND);
    }
    let names = root
        .required("metadata", "name and namespace")
        .and_then(|field| metadata(&field));
    let spec = root
        .required("spec", "the policy")
        .and_then(|field| spec(&field));
    // Written by the scaler when the policy is a custom resource.
    root.ignore(&["status"]);
    root.finish();
    let (name, namespace) = names?;
    Some(ScalingPolicy {
        name,
        namespace,
        ..spec?
    })
}

/// Which deployment a document is for, however wrong the rest of it is; `None` where that cannot be
/// told, or where it is no ScalingPolicy. Its origin is the caller's to fill in.
pub(super) fn claim(document: &Node) -> Option<Claim> {
    // What is wrong is noted by `policy`.
    let unheard = Problems::default();
    let mut root = Field::root(document, &unheard).section()?;
    root.optional("kind")?.exactly(KIND)?;
    let (name, namespace) = metadata(&root.optional("metadata")?)?;
    let mut spec = root.optional("spec")?.section()?;
    let deployment = target(&spec.optional("scaleTargetRef")?)?;
    Some(Claim {
        namespace,
        name,
        deployment,
        origin: Origin::default(),
    })
}

/// `name` and `namespace`; the rest of the object's metadata belongs to Kubernetes.
fn metadata(field: &Field<'_>) -> Option<(String, String)> {
    let mut section = field.section()?;
    let name = section
        .required("name", "the policy's name")
        .and_then(|field| field.name(LONGEST_NAME));
    let namespace = section
        .required("namespace", "the deployment's namespace")
        .and_then(|field| field.name(LONGEST_LABEL));
    section.ignore(&[
        "annotations",
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "finalizers",
        "generateName",
        "generation",
        "labels",
        "managedFields",
        "ownerReferences",
        "resourceVersion",
        "selfLink",
        "uid",
    ]);
    section.finish();
    name.zip(namespace)
}

fn spec(field: &Field<'_>) -> Option<ScalingPolicy> {
    let mut section = field.section()?;
    let deployment = section
        .required("scaleTargetRef", "the deployment")
        .and_then(|field| target(&field));
    let replicas = |field: Field<'_>| field.integer(1..=MOST_REPLICAS);
    let min_replicas = section
        .optional("minReplicas")
        .map_or(Some(DEFAULT_MIN_REPLICAS), replicas);
    let max_field = section.required("maxReplicas", "the most replicas there may be");
    let max_replicas = max_field.clone().and_then(replicas);
    if let (Some(min), Some(max), Some(field)) = (min_replicas, max_replicas, max_field)
        && min > max
    {
        field.problem(format!(
            "expected at least minReplicas, which is {min}, found `{max}`"
        ));
    }
    let mode = section
        .optional("mode")
        .map_or(Some(Mode::Active), |field| {
            field.choice(&Mode::ALL.map(|mode| (mode.name(), mode)))
        });
    let duration = |field: Option<Field<'_>>, range, default| {
        field.map_or(Some(default), |field| field.duration(range))
    };
    let window = duration(section.optional("window"), WINDOW, DEFAULT_WINDOW);
    let warmup = duration(section.optional("warmup"), WARMUP, DEFAULT_WARMUP);
    let metrics = section
        .required("metrics", "at least one metric")
        .and_then(|field| metrics(&field));
    let behavior = section
        .optional("behavior")
        .map_or_else(|| Some(Behavior::default()), |field| behavior(&field));
    let fallback = match section.optional("fallback") {
        Some(field) => fallback(&field, min_replicas.zip(max_replicas)).map(Some),
        None => Some(None),
    };
    section.finish();
    Some(ScalingPolicy {
        name: String::new(),
        namespace: String::new(),
        deployment: deployment?,
        min_replicas: min_replicas?,
        max_replicas: max_replicas?,
        mode: mode?,
        window: window?,
        warmup: warmup?,
        metrics: metrics?,
        behavior: behavior?,
        fallback: fallback?,
        origin: Origin::default(),
    })
}

fn fallback(field: &Field<'_>, bounds: Option<(u32, u32)>) -> Option<Fallback> {
    let mut section = field.section()?;
    let (min, max) = bounds
        .filter(|(min, max)| min <= max)
        .unwrap_or((1, MOST_REPLICAS));
    let replicas = section
        .required(
            "replicas",
            "how many there shall be at least while data stays away",
        )
        .and_then(|field| field.integer(min..=max));
    let after = section
        .required("after", "how long data must have stayed away")
        .and_then(|field| field.duration(FALLBACK_AFTER));
    section.finish();
    Some(Fallback {
        replicas: replicas?,
        after: after?,
    })
}

fn target(field: &Field<'_>) -> Option<String> {
    let mut section = field.section()?;
    if let Some(version) = section.optional("apiVersion") {
        version.exactly(TARGET_API_VERSION);
    }
    if let Some(kind) = section.required("kind", "`Deployment`") {
        kind.exactly(TARGET_KIND);
    }
    let name = section
        .required("name", "the deployment's name")
        .and_then(|field| field.name(LONGEST_NAME));
    section.finish();
    name
}
