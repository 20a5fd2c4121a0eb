//! CPU time of the processes that make up the autoscaler.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

/// CPU time of all threads of a process since its start; none when it is gone.
pub(crate) fn process_clock(pid: u32) -> Option<Duration> {
    // In nanoseconds, where /proc/PID/stat has ticks of ten milliseconds.
    ClockId::pid_cpu_clock_id(Pid::from_raw(pid.cast_signed()))
        .and_then(clock_gettime)
        .ok()
        .map(Duration::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_of_a_process_that_works_goes_on() {
        let clock = || process_clock(std::process::id()).unwrap();
        let before = clock();
        while clock() == before {}
        // More than any kernel gives out.
        assert_eq!(process_clock((1 << 22) + 1), None);
    }
}
