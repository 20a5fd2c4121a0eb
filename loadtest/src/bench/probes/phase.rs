//! One measurement: something attached, a while of load, and the kernel's statistics about it.

use std::collections::BTreeSet;
use std::io;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use aya::programs::{BtfTracePoint, loaded_programs};
use aya::{Btf, EbpfLoader};
use probe_agent::kernel::{Kernel, Metric, OBJECT, Options, SamplingRate, Settings};

use super::cgroup::Stay;

/// What a set of programs cost while it was measured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cost {
    /// Time in all of them.
    pub(super) spent: Duration,
    /// Runs of all of them.
    pub(super) runs: u64,
    /// Context switches: runs of the one on `sched_switch`.
    pub(super) switches: u64,
}

/// Measures a program on `sched_switch` that does nothing.
pub(super) fn floor(time: Duration) -> Result<Cost> {
    let types = Btf::from_sys_fs().context("cannot read the kernel's BTF")?;
    let mut object = EbpfLoader::new()
        .load(OBJECT)
        .context("cannot create the eBPF maps")?;
    let program = object
        .program_mut("nothing")
        .context("the object lacks the program `nothing`")?;
    let program: &mut BtfTracePoint = program.try_into()?;
    program.load("sched_switch", &types)?;
    program.attach()?;
    let id = program.info()?.id();
    measure(&BTreeSet::from([id]), Some(id), time)
}

/// Measures our program, with `cgroups` as the only measured container.
pub(super) fn ours(stay: &Stay, cgroups: &[u64], time: Duration) -> Result<Cost> {
    let mut settings = Settings::default();
    settings.set(Metric::OnCpuTime, SamplingRate::ALL)?;
    settings.set(Metric::RunqLatency, SamplingRate::ALL)?;
    let mut kernel = Kernel::open(Options::new(stay.tree(), stay.v2_mount()))?;
    let slot = kernel.add(cgroups, &settings)?;
    let id = kernel
        .programs()
        .into_iter()
        .find(|(name, _)| name.starts_with("sched_switch"));
    let (_, id) =
        id.context("the scheduler program is not supported here; see `probe-agent check`")?;
    let cost = measure(&BTreeSet::from([id]), Some(id), time)?;
    let counted = kernel
        .read()?
        .remove(&slot)
        .and_then(|reading| reading.scheduling);
    let seen = counted.map_or(0, |s| s.voluntary_switches + s.involuntary_switches);
    // The load is most of what switches, so this tells monitored from unmonitored.
    let monitored = seen > cost.switches / 2;
    ensure!(
        monitored != cgroups.is_empty(),
        "{seen} of {} switches were counted",
        cost.switches
    );
    Ok(cost)
}

/// A running `runqlat` of libbpf-tools; ended when dropped.
#[derive(Debug)]
pub(super) struct Runqlat {
    child: Child,
    programs: BTreeSet<u32>,
    switch: u32,
}

impl Runqlat {
    /// Starts it, or says why not.
    pub(super) fn start() -> Result<Result<Self, String>> {
        let before: BTreeSet<u32> = programs().into_iter().map(|found| found.id).collect();
        let child = Command::new("runqlat")
            .arg("3600")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let child = match child {
            Ok(child) => child,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Err(
                    "runqlat is not installed; on Debian: apt-get install libbpf-tools".to_owned(),
                ));
            }
            Err(error) => return Ok(Err(format!("runqlat does not start: {error}"))),
        };
        let mut running = Self {
            child,
            programs: BTreeSet::new(),
            switch: 0,
        };
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(status) = running.child.try_wait()? {
                return Ok(Err(format!("runqlat ended at once with {status}")));
            }
            if Instant::now() > deadline {
                return Ok(Err("runqlat attached nothing within 20 s".to_owned()));
            }
            let new: Vec<Loaded> = programs()
                .into_iter()
                .filter(|found| !before.contains(&found.id))
                .collect();
            // Attached when it runs: the one on sched_switch is the last.
            let switch = new
                .iter()
                .find(|found| found.name.contains("switch") && found.runs > 0);
            if let Some(switch) = switch {
                running.switch = switch.id;
                running.programs = new.iter().map(|found| found.id).collect();
                return Ok(Ok(running));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Measures all its programs together.
    pub(super) fn measure(&self, time: Duration) -> Result<Cost> {
        measure(&self.programs, Some(self.switch), time)
    }
}

impl Drop for Runqlat {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// One loaded program, as the kernel lists it.
struct Loaded {
    id: u32,
    name: String,
    spent: Duration,
    runs: u64,
}

fn programs() -> Vec<Loaded> {
    // One that is unloaded while the list is read is left out.
    let listed = loaded_programs().flatten();
    listed
        .map(|found| Loaded {
            id: found.id(),
            name: found.name_as_str().unwrap_or_default().to_owned(),
            spent: found.run_time(),
            runs: found.run_count(),
        })
        .collect()
}

fn measure(ids: &BTreeSet<u32>, switch: Option<u32>, time: Duration) -> Result<Cost> {
    // What attaching has disturbed settles.
    std::thread::sleep(time / 10);
    let before = sum(ids, switch);
    std::thread::sleep(time);
    let after = sum(ids, switch);
    let cost = Cost {
        spent: after.spent.saturating_sub(before.spent),
        runs: after.runs - before.runs,
        switches: after.switches - before.switches,
    };
    if cost.switches == 0 {
        bail!("the program did not run: are BPF statistics switched off by someone else?");
    }
    Ok(cost)
}

fn sum(ids: &BTreeSet<u32>, switch: Option<u32>) -> Cost {
    let none = Cost {
        spent: Duration::ZERO,
        runs: 0,
        switches: 0,
    };
    programs()
        .into_iter()
        .filter(|found| ids.contains(&found.id))
        .fold(none, |sum, found| Cost {
            spent: sum.spent + found.spent,
            runs: sum.runs + found.runs,
            switches: sum.switches
                + if Some(found.id) == switch {
                    found.runs
                } else {
                    0
                },
        })
}
