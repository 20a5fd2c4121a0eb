//! From cells to readings.

use super::object::Object;
use super::slots::Tenant;
use super::ways::Ways;
use super::{KernelError, Metric, Reading, Slot, cells};

/// What a container's cells say, as far as programs that fill them are attached.
pub(super) fn reading(
    object: &Object,
    ways: &Ways,
    slot: Slot,
    tenant: &mut Tenant,
) -> Result<Reading, KernelError> {
    let fed: Vec<Metric> = tenant
        .settings
        .iter()
        .map(|(metric, _)| metric)
        .filter(|metric| {
            let hooks = ways.of(*metric);
            !hooks.is_empty() && hooks.iter().all(|hook| object.attached().contains(hook))
        })
        .collect();
    let cells = object
        .maps
        .cells(slot.index, cells::groups(fed.iter().copied()))?;
    let mut reading = Reading {
        // Page faults are counted in the same cell.
        scheduling: cells
            .scheduling()
            .filter(|_| fed.iter().any(|metric| is_scheduling(*metric))),
        ..Reading::default()
    };
    for metric in fed {
        if let Some(raw) = cells.raw(metric)
            && let Some(totals) = tenant.meters.totals(metric, &raw)
        {
            reading.metrics.insert(metric, totals);
        }
    }
    Ok(reading)
}

fn is_scheduling(metric: Metric) -> bool {
    matches!(
        metric,
        Metric::OnCpuTime | Metric::OffCpuTime | Metric::RunqLatency
    )
}
