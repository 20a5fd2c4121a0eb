//! The real binary.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{DEADLINE, eventually};

/// A running agent; killed when dropped.
#[derive(Debug)]
pub struct Agent {
    child: Child,
}

/// The binary, with an environment that cannot interfere.
pub fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_probe-agent"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("VIPERSCALE_") {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

/// Runs a command line that ends by itself, but not for ever.
pub fn finish(command: &mut Command) -> Output {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let status = wait(&mut child);
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    child
        .stdout
        .take()
        .expect("piped")
        .read_to_end(&mut stdout)
        .expect("output");
    child
        .stderr
        .take()
        .expect("piped")
        .read_to_end(&mut stderr)
        .expect("output");
    Output {
        status,
        stdout,
        stderr,
    }
}

impl Agent {
    /// Starts `probe-agent run` against a scaler.
    pub fn run(scaler: &str, options: &[&str]) -> Self {
        let child = command()
            .args(["run", "--scaler", scaler, "--node-name", "node-under-test"])
            // An option overrides the environment.
            .env("VIPERSCALE_ADMIN_ADDRESS", "127.0.0.1:0")
            .args(options)
            .spawn()
            .expect("the binary runs");
        Self { child }
    }

    /// Ids of the eBPF programs that this process holds, directly or by a link.
    pub fn programs(&self) -> BTreeSet<u32> {
        programs_of(self.child.id())
    }

    /// File descriptors that it holds.
    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id()))
            .expect("it runs")
            .count()
    }

    /// Ids of the eBPF maps that it holds, directly.
    pub fn maps(&self) -> BTreeSet<u32> {
        ids_of(self.child.id(), "map_id:")
    }

    /// Memory that is resident, bytes.
    pub fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
        kib.expect("a number") << 10
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).expect("it runs");
    }

    /// Waits for its end.
    pub fn wait(mut self) -> ExitStatus {
        wait(&mut self.child)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Ids of all eBPF programs that the kernel holds.
pub fn loaded_programs() -> BTreeSet<u32> {
    aya::programs::loaded_programs()
        .filter_map(|program| Some(program.ok()?.id()))
        .collect()
}

fn programs_of(pid: u32) -> BTreeSet<u32> {
    ids_of(pid, "prog_id:")
}

/// The ids behind `key` in what the kernel tells of each descriptor of a process.
fn ids_of(pid: u32, key: &str) -> BTreeSet<u32> {
    fs::read_dir(format!("/proc/{pid}/fdinfo"))
        .expect("it runs")
        .flatten()
        .filter_map(|entry| fs::read_to_string(entry.path()).ok())
        .filter_map(|info| {
            info.lines()
                .find_map(|line| line.strip_prefix(key)?.trim().parse().ok())
        })
        .collect()
}

fn wait(child: &mut Child) -> ExitStatus {
    let start = Instant::now();
    eventually("the agent ends", || {
        let status = child.try_wait().expect("a child of ours");
        if status.is_none() && start.elapsed() > DEADLINE / 2 {
            let _ = child.kill();
        }
        status
    })
}
