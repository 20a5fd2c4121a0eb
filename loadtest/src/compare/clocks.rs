//! Where the CPU time of pods is read: cgroups on this machine, the metrics API anywhere else.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use kube::Client;

use super::job::Place;
use super::sampling::{MetricsApi, PodClocks};
use crate::local::NODE_NAME;

/// Readings of the metrics API are up to half a minute apart by themselves; asking more often shows nothing.
const METRICS_PERIOD: u32 = 5;

/// A source of pods' CPU clocks.
#[derive(Debug)]
pub(super) enum ClockSource {
    /// Cgroups of this machine, by UID.
    Cgroups(PodClocks),
    /// The metrics API, by name; asked every few seconds.
    Metrics {
        /// The reader.
        api: MetricsApi,
        /// Readings that have been asked for.
        turn: u32,
    },
}

impl ClockSource {
    /// The finest source there is for `namespace`.
    ///
    /// # Errors
    /// When this machine counts no CPU time.
    pub(super) fn of(place: &Place, namespace: &str) -> Result<Self> {
        let node = match place {
            Place::Local => NODE_NAME,
            Place::Foreign(cluster) if cluster.node_is_here => &cluster.node,
            Place::Foreign(_) => {
                let api = MetricsApi::of_namespace(namespace);
                return Ok(Self::Metrics { api, turn: 0 });
            }
        };
        Ok(Self::Cgroups(PodClocks::of_node(node)?))
    }

    /// CPU time of each pod so far, by UID or name; empty when nothing new can be there.
    ///
    /// # Errors
    /// When the cluster does not tell.
    pub(super) async fn read(&mut self, client: &Client) -> Result<BTreeMap<String, Duration>> {
        match self {
            Self::Cgroups(clocks) => Ok(clocks.read()),
            Self::Metrics { api, turn } => {
                *turn += 1;
                if (*turn - 1).is_multiple_of(METRICS_PERIOD) {
                    api.read(client).await
                } else {
                    Ok(BTreeMap::new())
                }
            }
        }
    }
}
