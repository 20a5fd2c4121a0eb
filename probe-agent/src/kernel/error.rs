//! What can go wrong between agent and kernel, and what to do about it.

use std::error::Error;
use std::io;

use aya::programs::ProgramError;

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
        "{limit} containers are measured already, which is the limit; raise --max-containers or \
         measure fewer"
    )]
    Full {
        /// The limit.
        limit: u32,
    },
    /// The table of cgroup ids is full.
    #[error(
        "the measured containers have more than {limit} cgroups together, which is the limit; \
         raise --max-containers or measure fewer"
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

/// A refusal in words: the end of the verifier's log says which instruction it could not accept.
pub(super) fn program_refused(program: &'static str, error: ProgramError) -> KernelError {
    if no_permission(&error) && verifier_log(&error).is_empty() {
        return KernelError::NotPermitted {
            action: format!("load the program {program}"),
        };
    }
    let reason = match &error {
        ProgramError::LoadError { io_error, .. } => {
            format!(
                "{io_error}; the verifier's last words: {}",
                verifier_log(&error)
            )
        }
        other => chain(other),
    };
    KernelError::Program { program, reason }
}

/// Whether the kernel said EPERM somewhere below `error`.
pub(super) fn no_permission(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(|error| {
        // EACCES is also what the verifier answers to a bad program.
        error
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.raw_os_error() == Some(libc::EPERM))
    })
}

fn verifier_log(error: &ProgramError) -> String {
    const LINES: usize = 6;
    let ProgramError::LoadError { verifier_log, .. } = error else {
        return String::new();
    };
    let log = verifier_log.to_string();
    let lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(LINES)..].join(" | ")
}

fn chain(error: &(dyn Error + 'static)) -> String {
    causes(error)
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

/// `error`, what caused it, what caused that...
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    fn cause<'a>(error: &&'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
        (*error).source()
    }
    std::iter::successors(Some(error), cause)
}
