//! The shop that is scaled.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Where the shop comes from and what its requests cost.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Shop {
    /// Deployed for the run, or there already.
    #[serde(default)]
    pub source: ShopSource,
    /// URL of the frontend of an existing shop, such as `http://shop.example:80`. Default: the address
    /// of its Service `frontend`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frontend: Option<String>,
    /// What a request costs, by role of the demo shop; roles that are not named keep their own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub work: BTreeMap<String, RoleWork>,
}

/// Where the shop comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ShopSource {
    /// The demo shop, created for each trial and removed after it.
    #[default]
    Demo,
    /// Deployments that are there already. Their replicas are put back after each trial.
    Existing,
}

/// Overrides of one role of the demo shop. What is not given stays as the role has it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RoleWork {
    /// CPU time of one request, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_microseconds: Option<u64>,
    /// Memory mapped and touched anew by one request, in KiB; a page fault per 4 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fresh_kib: Option<u64>,
    /// Least bytes of an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_bytes: Option<u64>,
    /// Threads that do the work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workers: Option<u32>,
    /// Requests in flight beyond which more are answered 503 at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_in_flight: Option<u32>,
    /// After how many milliseconds a call to another role has failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_timeout_milliseconds: Option<u32>,
}

impl RoleWork {
    /// The same as variables of the demo shop's environment, in addition to the role's others.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        [
            ("SHOP_CPU_US", self.cpu_microseconds),
            ("SHOP_FRESH_KIB", self.fresh_kib),
            ("SHOP_RESPONSE_BYTES", self.response_bytes),
            ("SHOP_WORKERS", self.workers.map(u64::from)),
            ("SHOP_MAX_IN_FLIGHT", self.max_in_flight.map(u64::from)),
            (
                "SHOP_CALL_TIMEOUT_MS",
                self.call_timeout_milliseconds.map(u64::from),
            ),
        ]
        .into_iter()
        .filter_map(|(variable, value)| Some((variable, value?.to_string())))
        .collect()
    }
}
