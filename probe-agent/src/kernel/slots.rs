//! Who has which slot. Pure: the maps are written by [`super::Kernel`].

use std::collections::{BTreeMap, BTreeSet};

use super::estimate::Meters;
use super::owners::{Former, Owners};
use super::{Settings, Slot};

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
    /// How many tenants each slot has had.
    generations: Vec<u32>,
    tenants: BTreeMap<Slot, Tenant>,
    /// In the tree that names containers.
    pub(super) cgroups: Owners,
    /// In the tree that block devices know, if it is another one.
    pub(super) disk_ids: Owners,
    pub(super) former: Former,
}

impl Slots {
    pub(super) fn new(max_containers: u32, max_cgroups: u32) -> Self {
        Self {
            max_containers,
            generations: Vec::new(),
            tenants: BTreeMap::new(),
            cgroups: Owners::new(max_cgroups),
            disk_ids: Owners::new(max_cgroups),
            former: Former::default(),
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
    fn a_thousand_starts_and_exits_leave_nothing_behind() {
        let mut slots = slots();
        let stays = take(&mut slots).expect("free");
        slots.cgroups.assign(stays, &[1]).expect("room");
        for id in 2..1_002 {
            let comes = take(&mut slots).expect("free");
            slots
                .cgroups
                .assign(comes, &[id, id + 10_000])
                .expect("room");
            slots.cgroups.assign(comes, &[]).expect("room");
            slots.free(comes);
        }
        assert_eq!(slots.tenants().count(), 1);
        assert_eq!(slots.cgroups.of(stays).collect::<Vec<_>>(), [1]);
        let next = take(&mut slots).expect("free");
        assert!(
            slots.cgroups.assign(next, &[2, 3]).is_some(),
            "all the room is there"
        );
    }
}
