//! Tells nodes what to measure, whenever that changes.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::Shared;
use super::targets::targets_of;
use crate::metrics;

/// Changes of one rollout come in bursts; they are told together.
const DEBOUNCE: Duration = Duration::from_millis(10);
/// Nothing depends on it, except gauges that would otherwise count as forgotten.
const REFRESH_EVERY: Duration = Duration::from_secs(60);

/// Follows pods, policies and newly connected nodes for as long as it is polled.
///
/// Start it once everything is known for the first time: before, nodes would be told to measure
/// nothing, and would detach what they have attached.
pub async fn distribute(shared: Arc<Shared>) {
    let mut policies = shared.policies.clone();
    policies.mark_changed();
    loop {
        let everyone = tokio::select! {
            Ok(()) = policies.changed() => true,
            () = shared.workloads.targets_changed() => false,
            () = sleep(REFRESH_EVERY) => true,
        };
        sleep(DEBOUNCE).await;
        let mut nodes = shared.workloads.take_dirty_nodes();
        if everyone {
            nodes.extend(shared.nodes.names());
        }
        let set = policies.borrow_and_update().clone();
        let interval_ns = u64::try_from(shared.interval.as_nanos()).unwrap_or(0);
        for node in nodes {
            let targets = targets_of(&node, &shared.workloads.read(), &set);
            shared.nodes.configure(&node, interval_ns, targets);
        }
        metrics::targets(shared.nodes.target_count());
        metrics::agents_connected(shared.nodes.names().len());
    }
}
