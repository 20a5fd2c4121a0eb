//! The bounds and defaults of policies, shared with the schema of the custom resource.

use std::ops::RangeInclusive;
use std::time::Duration;

/// More replicas than any cluster has pods.
pub const MOST_REPLICAS: u32 = 150_000;
/// `minReplicas` of a policy that names none.
pub const DEFAULT_MIN_REPLICAS: u32 = 1;
/// More metrics of one deployment than anybody can reason about; there are 15 in all.
pub const MOST_METRICS: usize = 32;
/// More rate limits of one direction than anybody can reason about.
pub const MOST_RATE_LIMITS: usize = 16;
/// `spec.window`. The windows of all containers are held in memory, so they cannot be long.
pub const WINDOW: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(60);
/// `spec.window` of a policy that names none.
pub const DEFAULT_WINDOW: Duration = Duration::from_secs(5);
/// `spec.warmup`.
pub const WARMUP: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(3600);
/// `spec.warmup` of a policy that names none.
pub const DEFAULT_WARMUP: Duration = Duration::from_secs(10);
/// `spec.fallback.after`. Shorter silences are agents that restart and nodes that are rebooted.
pub const FALLBACK_AFTER: RangeInclusive<Duration> =
    Duration::from_secs(10)..=Duration::from_secs(3600);
/// `sampling` of a metric that names none: every event.
pub const DEFAULT_SAMPLING: f64 = 1.0;
/// The HPA's own bound (`autoscaling/v2` validation).
pub const LONGEST_STABILIZATION_SECONDS: u32 = 3600;
/// The HPA's own bound (`autoscaling/v2` validation).
pub const LONGEST_PERIOD_SECONDS: u32 = 1800;
/// The longest name of an object (RFC 1123 subdomain).
pub const LONGEST_NAME: usize = 253;
/// The longest name of a namespace or a container (RFC 1123 label).
pub const LONGEST_LABEL: usize = 63;
