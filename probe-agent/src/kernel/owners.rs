//! Whose each cgroup is. Pure: the maps are written by [`super::Kernel`].

use std::collections::{BTreeSet, HashMap, HashSet};

use super::Slot;

/// Ids of cgroups in one tree, each with the container that it belongs to; bounded.
#[derive(Debug)]
pub(super) struct Owners {
    limit: u32,
    owners: HashMap<u64, Slot>,
}

/// Changes to make in the table of ids: removals first, so that there is room.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CgroupChange {
    pub(super) insert: Vec<u64>,
    pub(super) remove: Vec<u64>,
}

impl Owners {
    /// Nobody's, with room for `limit`.
    pub(super) fn new(limit: u32) -> Self {
        Self {
            limit,
            owners: HashMap::new(),
        }
    }

    /// The ids of one container.
    pub(super) fn of(&self, slot: Slot) -> impl Iterator<Item = u64> {
        self.owners
            .iter()
            .filter(move |(_, owner)| **owner == slot)
            .map(|(id, _)| *id)
    }

    /// Makes `wanted` the cgroups of `slot`: what to insert and what to remove, or nothing if that
    /// would be too many. A cgroup that is another container's becomes this one's.
    pub(super) fn assign(&mut self, slot: Slot, wanted: &[u64]) -> Option<CgroupChange> {
        let wanted: BTreeSet<u64> = wanted.iter().copied().collect();
        let remove: Vec<u64> = self.of(slot).filter(|id| !wanted.contains(id)).collect();
        let insert: Vec<u64> = wanted
            .into_iter()
            .filter(|id| self.owners.get(id) != Some(&slot))
            .collect();
        let new = insert
            .iter()
            .filter(|id| !self.owners.contains_key(id))
            .count();
        if self.owners.len() - remove.len() + new > self.limit as usize {
            return None;
        }
        for id in &remove {
            self.owners.remove(id);
        }
        for id in &insert {
            self.owners.insert(*id, slot);
        }
        Some(CgroupChange { insert, remove })
    }
}

/// Cgroups whose scheduling was measured once and is not any more. Their tasks' old waits are still in
/// the scheduler program's ledger, which must be cleared before they are measured again; clearing it for
/// every container that comes would lose parts of the others' waits.
#[derive(Debug, Default)]
pub(super) struct Former {
    ids: HashSet<u64>,
    /// Whether some had to be left out.
    more: bool,
}

impl Former {
    /// How many are remembered. Beyond that all of them are taken for former ones, until the ledger is
    /// cleared the next time.
    const LIMIT: usize = 4_096;

    pub(super) fn note(&mut self, ids: impl Iterator<Item = u64>) {
        self.ids.extend(ids);
        if self.ids.len() > Self::LIMIT {
            self.ids.clear();
            self.more = true;
        }
    }

    pub(super) fn has_any(&self, ids: &[u64]) -> bool {
        self.more || ids.iter().any(|id| self.ids.contains(id))
    }

    /// The ledger was cleared.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Slot = Slot {
        index: 0,
        generation: 1,
    };
    const TWO: Slot = Slot {
        index: 1,
        generation: 1,
    };

    #[test]
    fn only_changes_are_written() {
        let mut owners = Owners::new(3);
        owners.assign(ONE, &[1, 2]).expect("room");
        let change = owners.assign(ONE, &[2, 3]).expect("room");
        assert_eq!(
            change,
            CgroupChange {
                insert: vec![3],
                remove: vec![1]
            }
        );
        assert_eq!(owners.assign(ONE, &[]).expect("room").remove.len(), 2);
    }

    #[test]
    fn too_many_cgroups_change_nothing() {
        let mut owners = Owners::new(3);
        owners.assign(ONE, &[1, 2]).expect("room");
        assert_eq!(owners.assign(TWO, &[3, 4]), None);
        assert_eq!(owners.assign(TWO, &[3]).expect("room").insert, [3]);
        // What is taken over needs no room.
        assert_eq!(owners.assign(TWO, &[2, 3]).expect("room").insert, [2]);
        assert!(owners.assign(ONE, &[1]).expect("room").remove.is_empty());
    }

    #[test]
    fn what_was_measured_is_known_again_even_when_it_was_too_much_to_remember() {
        let mut former = Former::default();
        former.note([1, 2].into_iter());
        assert!(former.has_any(&[2, 9]) && !former.has_any(&[9]));
        former.note(10..10_000);
        assert!(former.has_any(&[9]), "perhaps it was");
        former.forget();
        assert!(!former.has_any(&[1]));
    }
}
