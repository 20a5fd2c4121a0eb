//! What a process has taken of the machine.

use std::time::Duration;

use anyhow::{Context, Result};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;
use procfs::process::Process;

/// As it stands at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Usage {
    /// CPU time of all its threads since its start, those that have ended included.
    pub(crate) cpu: Duration,
    /// Memory that is resident now.
    pub(crate) rss_bytes: u64,
    /// The most that ever was.
    pub(crate) peak_rss_bytes: u64,
}

impl Usage {
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let pid = pid.cast_signed();
        let what = || format!("cannot read what process {pid} takes");
        // In nanoseconds, where /proc/PID/stat has ticks of ten milliseconds.
        let cpu = ClockId::pid_cpu_clock_id(Pid::from_raw(pid))
            .and_then(clock_gettime)
            .with_context(what)?;
        let status = Process::new(pid)
            .and_then(|process| process.status())
            .with_context(what)?;
        // The kernel's kB are KiB.
        let bytes = |kib: Option<u64>| kib.map(|kib| kib * 1024).with_context(what);
        Ok(Self {
            cpu: cpu.into(),
            rss_bytes: bytes(status.vmrss)?,
            peak_rss_bytes: bytes(status.vmhwm)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_works_and_grows_takes_more() {
        let before = Usage::of(std::process::id()).unwrap();
        let memory = vec![1_u8; 16 << 20];
        while Usage::of(std::process::id()).unwrap().cpu == before.cpu {}
        let after = Usage::of(std::process::id()).unwrap();
        assert!(after.cpu > before.cpu);
        assert!(after.peak_rss_bytes >= before.rss_bytes + memory.len() as u64 / 2);
    }

    #[test]
    fn a_process_that_is_gone_is_an_error() {
        assert!(Usage::of(u32::MAX >> 1).is_err());
    }
}
