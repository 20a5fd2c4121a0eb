//! What the agent runs on, and with which rights.

use std::fs;
use std::path::Path;

use procfs::process::Process;

use crate::node::NodeTotals;

/// Where the kernel describes its types.
pub const BTF: &str = "/sys/kernel/btf/vmlinux";

/// Facts about this machine; what cannot be read is empty or 0.
#[derive(Clone, Debug, Default)]
pub struct Host {
    /// As `uname -r` says.
    pub kernel_release: String,
    /// Changes with every boot.
    pub boot_id: String,
    /// CPUs that are online.
    pub cpus: u32,
    /// Whether the kernel describes its types ([`BTF`]).
    pub has_btf: bool,
    /// What this process may do.
    pub privileges: Privileges,
}

/// The capabilities in force that measuring needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Privileges {
    /// CAP_BPF: create maps and load programs.
    pub bpf: bool,
    /// CAP_PERFMON: programs that trace.
    pub perfmon: bool,
    /// CAP_NET_ADMIN: bytes on the wire, the degraded way to count sent bytes.
    pub net_admin: bool,
}

impl Host {
    /// Looks around.
    pub fn read() -> Self {
        Self {
            kernel_release: first_line("/proc/sys/kernel/osrelease"),
            boot_id: first_line("/proc/sys/kernel/random/boot_id"),
            cpus: NodeTotals::read().map_or(0, |node| node.cpus),
            has_btf: Path::new(BTF).exists(),
            privileges: Privileges::of_this_process(),
        }
    }
}

impl Privileges {
    // Bit numbers of include/uapi/linux/capability.h.
    const NET_ADMIN: u32 = 12;
    const SYS_ADMIN: u32 = 21;
    const PERFMON: u32 = 38;
    const BPF: u32 = 39;

    fn of_this_process() -> Self {
        let effective = Process::myself().and_then(|process| process.status());
        Self::from_effective(effective.map_or(0, |status| status.capeff))
    }

    fn from_effective(mask: u64) -> Self {
        let has = |bit: u32| mask & (1 << bit) != 0;
        // CAP_SYS_ADMIN implies both tracing capabilities, as it did alone before 5.8.
        let admin = has(Self::SYS_ADMIN);
        Self {
            bpf: admin || has(Self::BPF),
            perfmon: admin || has(Self::PERFMON),
            net_admin: has(Self::NET_ADMIN),
        }
    }

    /// Whether programs can be loaded.
    pub fn suffice(self) -> bool {
        self.bpf && self.perfmon
    }

    /// The capabilities that are absent, by name.
    pub fn missing(self) -> Vec<&'static str> {
        [
            (self.bpf, "CAP_BPF"),
            (self.perfmon, "CAP_PERFMON"),
            (self.net_admin, "CAP_NET_ADMIN"),
        ]
        .into_iter()
        .filter_map(|(present, name)| (!present).then_some(name))
        .collect()
    }
}

/// Gives freed memory back to the kernel. Parsing the kernel's types takes some twenty megabytes for
/// a moment, which the allocator would otherwise keep for the life of the process.
pub fn release_freed_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: `malloc_trim` takes a plain number, may be called from any thread at any time, and
    // touches free memory only.
    unsafe {
        libc::malloc_trim(0);
    }
}

fn first_line(path: &str) -> String {
    fs::read_to_string(path)
        .map(|text| text.trim().to_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_read_from_the_mask() {
        let tracing = Privileges::from_effective(1 << 38 | 1 << 39);
        assert!(tracing.suffice());
        assert_eq!(tracing.missing(), ["CAP_NET_ADMIN"]);
        assert!(
            Privileges::from_effective(1 << 21).suffice(),
            "CAP_SYS_ADMIN implies both"
        );
        assert_eq!(Privileges::default().missing().len(), 3);
    }

    #[test]
    fn this_machine_has_a_kernel() {
        let host = Host::read();
        assert!(!host.kernel_release.is_empty() && !host.boot_id.is_empty() && host.cpus > 0);
    }
}
