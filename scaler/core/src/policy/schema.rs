//! The schema of a ScalingPolicy: which fields there are and what they may say.

use std::time::Duration;

use super::behavior_schema::behavior;
use super::fields::Field;
use super::metric_schema::metrics;
use super::{Mode, Origin, ScalingPolicy};
use crate::behavior::Behavior;

const API_VERSION: &str = "viperscale.dev/v1alpha1";
const KIND: &str = "ScalingPolicy";

/// More replicas than any cluster has pods.
pub(super) const MOST_REPLICAS: u32 = 150_000;
/// The windows of all containers are held in memory, so they cannot be long.
const WINDOW: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(60);
const WARMUP: std::ops::RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(3600);
const DEFAULT_WINDOW: Duration = Duration::from_secs(5);
const DEFAULT_WARMUP: Duration = Duration::from_secs(10);

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

/// `name` and `namespace`; the rest of the object's metadata belongs to Kubernetes.
fn metadata(field: &Field<'_>) -> Option<(String, String)> {
    let mut section = field.section()?;
    let name = section
        .required("name", "the policy's name")
        .and_then(|field| field.name(253));
    let namespace = section
        .required("namespace", "the deployment's namespace")
        .and_then(|field| field.name(63));
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
    let min_replicas = section.optional("minReplicas").map_or(Some(1), replicas);
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
            field.choice(&[
                ("Active", Mode::Active),
                ("DryRun", Mode::DryRun),
                ("Paused", Mode::Paused),
            ])
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
        origin: Origin::default(),
    })
}

fn target(field: &Field<'_>) -> Option<String> {
    let mut section = field.section()?;
    if let Some(version) = section.optional("apiVersion") {
        version.exactly("apps/v1");
    }
    if let Some(kind) = section.required("kind", "`Deployment`") {
        kind.exactly("Deployment");
    }
    let name = section
        .required("name", "the deployment's name")
        .and_then(|field| field.name(253));
    section.finish();
    name
}
