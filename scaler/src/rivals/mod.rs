//! Other autoscalers that have a Deployment for a target.
//!
//! ```text
//! HorizontalPodAutoscalers ─ watch ─┐
//!                                   ├─▶ Rivals ─▶ controller: condition, Event, hold
//! ScaledObjects (if there is KEDA) ─┘      └────▶ apply: asked before each write
//! ```
//!
//! Two writers of one replica count fight, so an active policy writes nothing while there is a
//! rival. `apply` asks at the last moment: a rival that appears between a decision and its write,
//! or between two attempts of a write, stops it.
//!
//! KEDA need not be installed, and may be at any time: its kind is looked for when the scaler
//! starts and every half minute from then on, without asking for permission on
//! CustomResourceDefinitions. Meanwhile KEDA is seen through the HPA that it creates.

mod read;
mod watch;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::mem;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use scaler_core::{Rival, RivalKind};
use tokio::sync::Notify;

pub use watch::{Followed, watch_hpas, watch_scaled_objects};

use crate::workloads::{DeploymentKey, Uid};

/// What an object was read from: its own kind (an HPA of KEDA's stands for a ScaledObject) and UID.
type Source = (RivalKind, Uid);

/// The known rivals, by Deployment: written by the watches, read by controller and `apply`.
///
/// Bounded by the number of such objects in the cluster, a few hundred bytes each.
#[derive(Debug, Default)]
pub struct Rivals {
    state: RwLock<State>,
    changed: Notify,
}

/// Invariant: `by_target` holds exactly what `targets` says, and no empty maps.
#[derive(Debug, Default)]
struct State {
    by_target: HashMap<DeploymentKey, BTreeMap<Source, Rival>>,
    targets: HashMap<Source, DeploymentKey>,
    /// Deployments whose rivals changed since they were last taken.
    changed: HashSet<DeploymentKey>,
}

impl Rivals {
    /// The rivals of a Deployment, each once, in a stable order.
    pub fn of(&self, deployment: &DeploymentKey) -> Vec<Rival> {
        let state = self.read();
        let rivals = state.by_target.get(deployment).into_iter().flatten();
        let each_once: BTreeSet<&Rival> = rivals.map(|(_, rival)| rival).collect();
        each_once.into_iter().cloned().collect()
    }

    /// One rival of a Deployment, if it has any.
    pub fn first_of(&self, deployment: &DeploymentKey) -> Option<Rival> {
        self.read()
            .by_target
            .get(deployment)?
            .values()
            .next()
            .cloned()
    }

    /// Deployments with rivals.
    pub fn contested(&self) -> usize {
        self.read().by_target.len()
    }

    /// Waits until the rivals of some Deployment changed since [`Self::take_changed`].
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// The Deployments whose rivals changed since the last call.
    pub fn take_changed(&self) -> HashSet<DeploymentKey> {
        mem::take(&mut self.write().changed)
    }

    /// Adds or replaces what one object scales; `None` when it scales no Deployment.
    pub(crate) fn put(&self, source: Source, target: Option<(DeploymentKey, Rival)>) {
        let mut state = self.write();
        let known = state.targets.get(&source).cloned();
        let same = match (&known, &target) {
            (Some(known), Some((key, rival))) => {
                known == key
                    && state.by_target.get(key).and_then(|all| all.get(&source)) == Some(rival)
            }
            (None, None) => true,
            _ => false,
        };
        if same {
            return;
        }
        state.remove(&source);
        if let Some((key, rival)) = target {
            state
                .by_target
                .entry(key.clone())
                .or_default()
                .insert(source.clone(), rival);
            state.targets.insert(source, key.clone());
            state.changed.insert(key);
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Forgets an object.
    pub(crate) fn remove(&self, source: &Source) {
        self.write().remove(source);
        self.changed.notify_one();
    }

    /// Forgets every object of `kind` that `keep` does not hold.
    pub(crate) fn retain(&self, kind: RivalKind, keep: &HashSet<Uid>) {
        let mut state = self.write();
        let gone: Vec<Source> = state
            .targets
            .keys()
            .filter(|(known, uid)| *known == kind && !keep.contains(uid))
            .cloned()
            .collect();
        for source in &gone {
            state.remove(source);
        }
        drop(state);
        self.changed.notify_one();
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn remove(&mut self, source: &Source) {
        let Some(key) = self.targets.remove(source) else {
            return;
        };
        if let Some(all) = self.by_target.get_mut(&key) {
            all.remove(source);
            if all.is_empty() {
                self.by_target.remove(&key);
            }
        }
        self.changed.insert(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(uid: &str) -> Source {
        (RivalKind::HorizontalPodAutoscaler, uid.into())
    }

    fn target(deployment: &str, name: &str) -> Option<(DeploymentKey, Rival)> {
        let rival = Rival {
            kind: RivalKind::HorizontalPodAutoscaler,
            namespace: "shop".to_owned(),
            name: name.to_owned(),
        };
        Some((DeploymentKey::new("shop", deployment), rival))
    }

    fn changed(rivals: &Rivals) -> Vec<String> {
        let mut keys: Vec<String> = rivals
            .take_changed()
            .iter()
            .map(ToString::to_string)
            .collect();
        keys.sort();
        keys
    }

    #[test]
    fn a_rival_is_known_until_it_is_gone_or_points_elsewhere() {
        let rivals = Rivals::default();
        let web = DeploymentKey::new("shop", "web");
        rivals.put(source("u1"), target("web", "a"));
        rivals.put(source("u2"), target("web", "a"));
        assert_eq!(rivals.of(&web).len(), 1, "the same one, seen twice");
        assert_eq!(changed(&rivals), ["shop/web"]);
        rivals.put(source("u1"), target("web", "a"));
        assert!(changed(&rivals).is_empty(), "nothing new");
        rivals.remove(&source("u1"));
        assert!(
            rivals.first_of(&web).is_some(),
            "the other source still says so"
        );
        rivals.put(source("u2"), target("cart", "a"));
        assert_eq!(changed(&rivals), ["shop/cart", "shop/web"]);
        assert_eq!((rivals.of(&web), rivals.contested()), (Vec::new(), 1));
        rivals.put(source("u2"), None);
        assert_eq!(
            (changed(&rivals), rivals.contested()),
            (vec!["shop/cart".to_owned()], 0)
        );
    }

    #[test]
    fn a_relist_forgets_those_of_its_kind_alone() {
        let rivals = Rivals::default();
        rivals.put(source("u1"), target("web", "a"));
        rivals.put((RivalKind::ScaledObject, "u2".into()), target("web", "b"));
        rivals.retain(RivalKind::HorizontalPodAutoscaler, &HashSet::new());
        let left = rivals.of(&DeploymentKey::new("shop", "web"));
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].name, "b");
    }
}
