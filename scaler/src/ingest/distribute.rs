//! Tells nodes what to measure, whenever that changes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::sleep;

use super::targets::targets_of;
use super::{Role, Shared};
use crate::metrics;

/// Changes of one rollout come in bursts; they are told together.
const DEBOUNCE: Duration = Duration::from_millis(10);
/// Nodes told before others get their turn: one takes some 30 microseconds.
const NODES_AT_ONCE: usize = 32;
/// Nothing depends on it, except gauges that would otherwise count as forgotten.
const REFRESH_EVERY: Duration = Duration::from_secs(60);

/// Follows pods, policies and newly connected nodes for as long as it is polled.
///
/// Runs while this scaler leads. Start it once everything is known for the first time: before, nodes
/// would be told to measure nothing, and would detach what they have attached.
pub async fn distribute(shared: Arc<Shared>) {
    let mut policies = shared.policies.clone();
    policies.mark_changed();
    loop {
        let everyone = tokio::select! {
            biased;
            Ok(()) = policies.changed() => true,
            () = shared.workloads.targets_changed() => false,
            () = sleep(REFRESH_EVERY) => true,
        };
        sleep(DEBOUNCE).await;
        // In order, so that the same changes give the same revisions.
        let mut nodes: BTreeSet<Arc<str>> =
            shared.workloads.take_dirty_nodes().into_iter().collect();
        if everyone {
            nodes.extend(shared.nodes.names());
        }
        let set = policies.borrow_and_update().clone();
        // Started for a leadership and aborted at its end; between the two, one may end first.
        let Role::Leader { term, .. } = shared.role.borrow().clone() else {
            continue;
        };
        let interval_ns = u64::try_from(shared.interval.as_nanos()).unwrap_or(0);
        for (told, node) in nodes.into_iter().enumerate() {
            if told % NODES_AT_ONCE == NODES_AT_ONCE - 1 {
                yield_now().await;
            }
            let targets = targets_of(&node, &shared.workloads.read(), &set);
            shared.nodes.configure(&node, term, interval_ns, targets);
        }
        metrics::targets(shared.nodes.target_count());
        metrics::agents_connected(shared.nodes.count());
    }
}
