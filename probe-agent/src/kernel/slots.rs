//! Who has which slot. Pure: the maps are written by [`super::Kernel`].

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Settings, Slot, estimate::Meters};

/// A measured container.
#[derive(Debug)]
pub(super) struct Tenant {
    pub(super) settings: Settings,
    pub(super) meters: Meters,
}

/// The slots: a bounded number of containers, and of cgroups that belong to them.
#[derive(Debug)]
pub(super) struct Slots {
    max_containers: u32,
    max_cgroups: u32,
    /// How many tenants each slot has had.
    generations: Vec<u32>,
    tenants: BTreeMap<Slot, Tenant>,
    cgroups: HashMap<u64, Slot>,
}

impl Slots {
    pub(super) fn new(max_containers: u32, max_cgroups: u32) -> Self {
        Self {
            max_containers,
            max_cgroups,
            generations: Vec::new(),
            tenants: BTreeMap::new(),
            cgroups: HashMap::new(),
        }
    }

    /// The lowest free slot, under a number that no container has had.
    pub(super) fn take(&mut self, settings: Settings) -> Option<Slot> {
        let taken: BTreeSet<u32> = self.tenants.keys().map(|slot| slot.index).collect();
        let index = (0..self.max_containers).find(|index| !taken.contains(index))?;
        if self.generations.len() <= index as usize {
            self.generations.push(0);
        }
        let generation = &mut self.generations[index as usize];
        // 0 is the generation of slots that never had a tenant.
        *generation = generation.wrapping_add(1).max(1);
        let slot = Slot {
            index,
            generation: *generation,
        };
        self.tenants.insert(
            slot,
            Tenant {
                meters: Meters::new(&settings),
                settings,
            },
        );
        Some(slot)
    }

    /// Frees a slot; its cgroups must have been taken away.
    pub(super) fn free(&mut self, slot: Slot) {
        self.tenants.remove(&slot);
    }

    pub(super) fn tenant(&mut self, slot: Slot) -> Option<&mut Tenant> {
        self.tenants.get_mut(&slot)
    }

    pub(super) fn tenants(&mut self) -> impl Iterator<Item = (Slot, &mut Tenant)> {
        self.tenants
            .iter_mut()
            .map(|(slot, tenant)| (*slot, tenant))
    }

    pub(super) fn settings(&self) -> impl Iterator<Item = &Settings> + Clone {
        self.tenants.values().map(|tenant| &tenant.settings)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tenants.is_empty()
    }

    /// Makes `wanted` the cgroups of `slot`: what to insert and what to remove, or nothing if that
    /// would be too many. A cgroup that is another container's becomes this one's.
    pub(super) fn assign(&mut self, slot: Slot, wanted: &[u64]) -> Option<CgroupChange> {
        let wanted: BTreeSet<u64> = wanted.iter().copied().collect();
        let remove: Vec<u64> = self
            .cgroups
            .iter()
            .filter(|(id, owner)| **owner == slot && !wanted.contains(id))
            .map(|(id, _)| *id)
            .collect();
        let insert: Vec<u64> = wanted
            .into_iter()
            .filter(|id| self.cgroups.get(id) != Some(&slot))
            .collect();
        let new = insert
            .iter()
            .filter(|id| !self.cgroups.contains_key(id))
            .count();
        if self.cgroups.len() - remove.len() + new > self.max_cgroups as usize {
            return None;
        }
        for id in &remove {
            self.cgroups.remove(id);
        }
        for id in &insert {
            self.cgroups.insert(*id, slot);
        }
        Some(CgroupChange { insert, remove })
    }
}

/// Changes to make in the table of cgroup ids: removals first, so that there is room.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CgroupChange {
    pub(super) insert: Vec<u64>,
    pub(super) remove: Vec<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots() -> Slots {
        Slots::new(2, 3)
    }

    fn take(slots: &mut Slots) -> Option<Slot> {
        slots.take(Settings::default())
    }

    #[test]
    fn a_reused_slot_has_a_new_generation() {
        let mut slots = slots();
        let first = take(&mut slots).expect("free");
        slots.free(first);
        let second = take(&mut slots).expect("free");
        assert_eq!(first.index, second.index);
        assert_ne!(first, second);
        assert!(slots.tenant(first).is_none());
    }

    #[test]
    fn slots_are_bounded() {
        let mut slots = slots();
        let first = take(&mut slots).expect("free");
        assert!(take(&mut slots).is_some());
        assert!(take(&mut slots).is_none());
        slots.free(first);
        assert!(take(&mut slots).is_some());
    }

    #[test]
    fn only_changes_are_written() {
        let mut slots = slots();
        let slot = take(&mut slots).expect("free");
        slots.assign(slot, &[1, 2]).expect("room");
        let change = slots.assign(slot, &[2, 3]).expect("room");
        assert_eq!(
            change,
            CgroupChange {
                insert: vec![3],
                remove: vec![1]
            }
        );
        assert_eq!(slots.assign(slot, &[]).expect("room").remove.len(), 2);
    }

    #[test]
    fn too_many_cgroups_change_nothing() {
        let mut slots = slots();
        let (one, two) = (
            take(&mut slots).expect("free"),
            take(&mut slots).expect("free"),
        );
        slots.assign(one, &[1, 2]).expect("room");
        assert_eq!(slots.assign(two, &[3, 4]), None);
        assert_eq!(slots.assign(two, &[3]).expect("room").insert, [3]);
        // What is taken over needs no room.
        assert_eq!(slots.assign(two, &[2, 3]).expect("room").insert, [2]);
        assert!(slots.assign(one, &[1]).expect("room").remove.is_empty());
    }
}
