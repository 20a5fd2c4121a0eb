//! What can go wrong between agent and kernel, and what to do about it.

use std::io;

/// The kernel refused, or lacks, something.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// The kernel describes no types, so struct offsets are unknown.
    #[error(
        "cannot read /sys/kernel/btf/vmlinux: {source}; the kernel needs CONFIG_DEBUG_INFO_BTF=y \
         (every mainstream distribution since 2021 has it), and a container needs the host's /sys"
    )]
    NoBtf {
        /// Why the file could not be read.
        source: io::Error,
    },
    /// BTF is there and lacks a type, or cannot be parsed.
    #[error("the kernel's BTF is not what was expected: {what}")]
    Btf {
        /// The type or member, and what is wrong with it.
        what: String,
    },
    /// The process may not load eBPF programs.
    #[error(
        "not permitted to {action}; run as root, or grant CAP_BPF and CAP_PERFMON (and CAP_NET_ADMIN \
         for bytes on the wire); in Kubernetes set securityContext.capabilities.add"
    )]
    NotPermitted {
        /// What was refused.
        action: String,
    },
    /// The embedded object could not be loaded: maps or relocations.
    #[error("cannot create the eBPF maps: {source}")]
    Object {
        /// What the loader said.
        source: Box<aya::EbpfError>,
    },
    /// The kernel refused a program.
    #[error("the kernel refused the program {program}: {reason}")]
    Program {
        /// Name of the program.
        program: &'static str,
        /// The loader's message with the end of the verifier's log.
        reason: String,
    },
    /// A map could not be read or written.
    #[error("cannot access the eBPF map {map}: {source}")]
    Map {
        /// Name of the map.
        map: &'static str,
        /// What the loader said.
        source: aya::maps::MapError,
    },
    /// Every slot is taken.
    #[error(
        "{limit} containers are measured already, which is the limit; raise max-containers or \
         measure fewer"
    )]
    Full {
        /// The limit.
        limit: u32,
    },
    /// The table of cgroup ids is full.
    #[error(
        "the measured containers have more than {limit} cgroups together, which is the limit; \
         raise max-containers or measure fewer"
    )]
    TooManyCgroups {
        /// The limit.
        limit: u32,
    },
    /// A slot that was removed, or never added.
    #[error("this container is not measured (any more)")]
    UnknownSlot,
    /// The list of online CPUs is unreadable.
    #[error("cannot tell which CPUs are online: {source}; mount sysfs at /sys")]
    Cpus {
        /// Why.
        source: io::Error,
    },
}
