//! The maps, by what they hold.

use aya::Ebpf;
use aya::maps::{Array, HashMap, Map, MapData, MapError, PerCpuArray, PerCpuValues};
use aya::{EbpfLoader, Pod};
use ebpf_common::{
    CacheCell, ContainerConfig, CountsCell, Departure, DiskCell, Distribution, LostCell, NetCell,
    QueryKey, SchedCell, SlotRef, Stint, names,
};

use super::cells::{Cells, Group, Sum};
use super::{KernelError, ledger};

/// Maps with an element per slot.
const BY_SLOT: [&str; 7] = [
    names::CONFIG,
    names::SCHED,
    names::COUNTS,
    names::CACHE,
    names::DISK,
    names::NET,
    names::DNS,
];

/// All of them.
pub(super) struct Maps {
    cgroups: HashMap<MapData, u64, SlotRef>,
    disk_ids: HashMap<MapData, u64, SlotRef>,
    config: Array<MapData, ContainerConfig>,
    sched: PerCpuArray<MapData, SchedCell>,
    counts: PerCpuArray<MapData, CountsCell>,
    cache: PerCpuArray<MapData, CacheCell>,
    disk: PerCpuArray<MapData, DiskCell>,
    net: PerCpuArray<MapData, NetCell>,
    dns: PerCpuArray<MapData, Distribution>,
    requests: HashMap<MapData, u64, Departure>,
    queries: HashMap<MapData, QueryKey, Departure>,
    lost: PerCpuArray<MapData, LostCell>,
    stint: PerCpuArray<MapData, Stint>,
    ledger: MapData,
    possible_cpus: usize,
}

/// Sets the sizes; call it before loading.
pub(super) fn size(loader: &mut EbpfLoader<'_>, max_containers: u32, max_cgroups: u32) {
    for map in BY_SLOT {
        loader.map_max_entries(map, max_containers);
    }
    for map in [names::CGROUPS, names::DISK_IDS] {
        loader.map_max_entries(map, max_cgroups);
    }
}

impl Maps {
    /// Takes them out of a loaded object.
    pub(super) fn take(ebpf: &mut Ebpf) -> Result<Self, KernelError> {
        let possible_cpus =
            aya::util::nr_cpus().map_err(|(_, source)| KernelError::Cpus { source })?;
        let Some(Map::Array(ledger)) = ebpf.take_map(names::LEDGER) else {
            return Err(failed(names::LEDGER)(MapError::KeyNotFound));
        };
        Ok(Self {
            cgroups: take(ebpf, names::CGROUPS)?,
            disk_ids: take(ebpf, names::DISK_IDS)?,
            config: take(ebpf, names::CONFIG)?,
            sched: take(ebpf, names::SCHED)?,
            counts: take(ebpf, names::COUNTS)?,
            cache: take(ebpf, names::CACHE)?,
            disk: take(ebpf, names::DISK)?,
            net: take(ebpf, names::NET)?,
            dns: take(ebpf, names::DNS)?,
            requests: take(ebpf, names::REQUESTS)?,
            queries: take(ebpf, names::QUERIES)?,
            lost: take(ebpf, names::LOST)?,
            stint: take(ebpf, names::STINT)?,
            ledger,
            possible_cpus,
        })
    }

    pub(super) fn set_config(&mut self, slot: u32, to: ContainerConfig) -> Result<(), KernelError> {
        self.config.set(slot, to, 0).map_err(failed(names::CONFIG))
    }

    /// Says whose a cgroup is; `None` for nobody's.
    pub(super) fn set_cgroup(
        &mut self,
        id: u64,
        owner: Option<SlotRef>,
    ) -> Result<(), KernelError> {
        set_owner(&mut self.cgroups, id, owner).map_err(failed(names::CGROUPS))
    }

    /// The same for an id that block devices know.
    pub(super) fn set_disk_id(
        &mut self,
        id: u64,
        owner: Option<SlotRef>,
    ) -> Result<(), KernelError> {
        set_owner(&mut self.disk_ids, id, owner).map_err(failed(names::DISK_IDS))
    }

    /// Zeroes all cells of a slot, on all CPUs.
    pub(super) fn zero(&mut self, slot: u32) -> Result<(), KernelError> {
        let cpus = self.possible_cpus;
        set_all(&mut self.sched, slot, SchedCell::ZERO, cpus).map_err(failed(names::SCHED))?;
        set_all(&mut self.counts, slot, CountsCell::ZERO, cpus).map_err(failed(names::COUNTS))?;
        set_all(&mut self.cache, slot, CacheCell::ZERO, cpus).map_err(failed(names::CACHE))?;
        set_all(&mut self.disk, slot, DiskCell::ZERO, cpus).map_err(failed(names::DISK))?;
        set_all(&mut self.net, slot, NetCell::ZERO, cpus).map_err(failed(names::NET))?;
        set_all(&mut self.dns, slot, Distribution::ZERO, cpus).map_err(failed(names::DNS))
    }

    /// The cells of a slot, summed over CPUs: one system call for each of the `groups`.
    pub(super) fn cells(
        &self,
        slot: u32,
        groups: impl IntoIterator<Item = Group>,
    ) -> Result<Cells, KernelError> {
        let mut cells = Cells::default();
        for group in groups {
            match group {
                Group::Sched => cells.sched = Some(sum(&self.sched, slot, names::SCHED)?),
                Group::Counts => cells.counts = Some(sum(&self.counts, slot, names::COUNTS)?),
                Group::Cache => cells.cache = Some(sum(&self.cache, slot, names::CACHE)?),
                Group::Disk => cells.disk = Some(sum(&self.disk, slot, names::DISK)?),
                Group::Net => cells.net = Some(sum(&self.net, slot, names::NET)?),
                Group::Dns => cells.dns = Some(sum(&self.dns, slot, names::DNS)?),
            }
        }
        Ok(cells)
    }

    /// Disk requests and DNS queries that were not followed to their end, since the maps were made.
    pub(super) fn lost(&self) -> Result<u64, KernelError> {
        let lost = sum(&self.lost, 0, names::LOST)?;
        Ok(lost.requests + lost.queries)
    }

    /// Forgets the waits that tasks had when they last left a CPU. Needed before a container's
    /// scheduling is measured again: what its tasks waited meanwhile is not to be counted.
    pub(super) fn forget_waits(&self) -> Result<(), KernelError> {
        ledger::clear(self.ledger.fd()).map_err(|source| KernelError::Map {
            map: names::LEDGER,
            source: MapError::IoError(source),
        })
    }

    /// Forgets who is on which CPU: nobody says any more when that changes.
    pub(super) fn forget_stints(&mut self) -> Result<(), KernelError> {
        set_all(&mut self.stint, 0, Stint::NONE, self.possible_cpus).map_err(failed(names::STINT))
    }

    /// Forgets the requests that are under way: their ends were, or may be, missed.
    pub(super) fn forget_requests(&mut self) -> Result<(), KernelError> {
        clear(&mut self.requests).map_err(failed(names::REQUESTS))
    }

    /// Forgets the DNS queries that are under way.
    pub(super) fn forget_queries(&mut self) -> Result<(), KernelError> {
        clear(&mut self.queries).map_err(failed(names::QUERIES))
    }
}

fn take<M: TryFrom<Map, Error = MapError>>(
    ebpf: &mut Ebpf,
    name: &'static str,
) -> Result<M, KernelError> {
    ebpf.take_map(name)
        .ok_or(MapError::KeyNotFound)
        .and_then(M::try_from)
        .map_err(failed(name))
}

fn set_owner(
    map: &mut HashMap<MapData, u64, SlotRef>,
    id: u64,
    owner: Option<SlotRef>,
) -> Result<(), MapError> {
    match owner {
        Some(owner) => map.insert(id, owner, 0),
        None => gone_is_fine(map.remove(&id)),
    }
}

fn set_all<V: Pod>(
    map: &mut PerCpuArray<MapData, V>,
    slot: u32,
    value: V,
    cpus: usize,
) -> Result<(), MapError> {
    map.set(slot, PerCpuValues::try_from(vec![value; cpus])?, 0)
}

fn sum<V: Pod + Sum>(
    map: &PerCpuArray<MapData, V>,
    slot: u32,
    name: &'static str,
) -> Result<V, KernelError> {
    let cells = map.get(&slot, 0).map_err(failed(name))?;
    let mut total = V::ZERO;
    cells.iter().for_each(|cell| total.add(cell));
    Ok(total)
}

/// Removes every entry. Programs may go on meanwhile: what they remove first is gone, too.
fn clear<K: Pod, V: Pod>(map: &mut HashMap<MapData, K, V>) -> Result<(), MapError> {
    let keys: Vec<K> = map.keys().collect::<Result<_, _>>()?;
    keys.iter()
        .try_for_each(|key| gone_is_fine(map.remove(key)))
}

fn gone_is_fine(outcome: Result<(), MapError>) -> Result<(), MapError> {
    match outcome {
        Err(MapError::KeyNotFound | MapError::ElementNotFound) => Ok(()),
        outcome => outcome,
    }
}

fn failed(map: &'static str) -> impl Fn(MapError) -> KernelError {
    move |source| KernelError::Map { map, source }
}
