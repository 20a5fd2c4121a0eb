//! How busy the node as a whole is, from which the scaler judges saturation.

use procfs::{CpuPressure, CpuTime, Current, CurrentSI, KernelStats, ProcError, ticks_per_second};

/// Totals since boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeTotals {
    /// CPUs that are online.
    pub cpus: u32,
    /// Time spent working, summed over CPUs: without idle, waiting for I/O, and steal.
    pub busy_ns: u64,
    /// Time that the hypervisor gave to others.
    pub stolen_ns: u64,
    /// Time in which at least one task waited for a CPU (`some` of `/proc/pressure/cpu`); 0 on
    /// kernels without pressure accounting.
    pub cpu_pressure_ns: u64,
}

impl NodeTotals {
    /// Reads `/proc/stat` and `/proc/pressure/cpu`.
    pub fn read() -> Result<Self, ProcError> {
        let stat = KernelStats::current()?;
        // Absent without CONFIG_PSI, and refused with `psi=0`: pressure is then unknown, not zero
        // load, and the proto says that 0 means absent.
        let pressure_us = CpuPressure::current().map_or(0, |pressure| pressure.some.total);
        Ok(Self {
            cpus: u32::try_from(stat.cpu_time.len()).unwrap_or(u32::MAX),
            busy_ns: nanoseconds(busy_ticks(&stat.total)),
            stolen_ns: nanoseconds(stat.total.steal.unwrap_or(0)),
            cpu_pressure_ns: pressure_us.saturating_mul(1_000),
        })
    }

    /// What happened since `earlier`; the number of CPUs is the present one.
    ///
    /// Counters of a CPU that went offline leave the sums, which then count as no change.
    pub fn since(self, earlier: Self) -> Self {
        Self {
            cpus: self.cpus,
            busy_ns: self.busy_ns.saturating_sub(earlier.busy_ns),
            stolen_ns: self.stolen_ns.saturating_sub(earlier.stolen_ns),
            cpu_pressure_ns: self.cpu_pressure_ns.saturating_sub(earlier.cpu_pressure_ns),
        }
    }
}

/// `user` and `nice` already contain guest time.
fn busy_ticks(total: &CpuTime) -> u64 {
    total.user + total.nice + total.system + total.irq.unwrap_or(0) + total.softirq.unwrap_or(0)
}

fn nanoseconds(ticks: u64) -> u64 {
    ticks.saturating_mul(1_000_000_000 / ticks_per_second().max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_cpus_and_has_worked() {
        let totals = NodeTotals::read().expect("/proc/stat");
        assert!(totals.cpus > 0);
        assert!(totals.busy_ns > 0);
    }

    #[test]
    fn a_cpu_that_went_offline_is_no_negative_work() {
        let earlier = NodeTotals {
            cpus: 2,
            busy_ns: 500,
            stolen_ns: 5,
            cpu_pressure_ns: 9,
        };
        let later = NodeTotals {
            cpus: 1,
            busy_ns: 300,
            stolen_ns: 6,
            cpu_pressure_ns: 10,
        };
        let change = later.since(earlier);
        assert_eq!(
            change,
            NodeTotals {
                cpus: 1,
                busy_ns: 0,
                stolen_ns: 1,
                cpu_pressure_ns: 1
            }
        );
    }
}
