//! Other tools that watch the shop, instead of us.

use std::time::Duration;

use anyhow::Result;
use procfs::process::Process;
use serde::Serialize;

use super::policies::State;
use crate::bench::probes::events::peer::{Peer, PeerSpec};
use crate::compare::process_clock;

/// Together about what the scheduler, disk and network metrics of ours are.
static LIBBPF_TOOLS: [PeerSpec; 3] = [
    PeerSpec::libbpf("runqlat", &["3600"]),
    PeerSpec::libbpf("biolatency", &["3600"]),
    PeerSpec::libbpf("tcptop", &["-C", "3600"]),
];

/// The same, and page faults, in one script.
static BPFTRACE: [PeerSpec; 1] = [PeerSpec::bpftrace(
    "one script",
    concat!(
        include_str!("../bpftrace/runqlat.bt"),
        include_str!("../bpftrace/faults.bt"),
        include_str!("../bpftrace/biolatency.bt"),
        include_str!("../bpftrace/bytes.bt"),
    ),
)];

/// What runs in a state.
fn specs(state: State) -> &'static [PeerSpec] {
    match state {
        State::LibbpfTools => &LIBBPF_TOOLS,
        State::Bpftrace => &BPFTRACE,
        State::None | State::Core | State::All => &[],
    }
}

/// Which of a state's tools work on this machine.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Tools {
    pub(super) state: State,
    /// What ran.
    pub ran: Vec<&'static str>,
    /// What did not, each with the reason.
    pub missing: Vec<String>,
}

/// Tools that run; ended when dropped.
#[derive(Debug)]
pub(super) struct Running(Vec<Peer>);

impl Tools {
    /// Tries each tool once.
    ///
    /// # Errors
    /// When a process that was started cannot be asked.
    pub(super) async fn try_all(state: State) -> Result<Self> {
        let mut tools = Self {
            state,
            ran: Vec::new(),
            missing: Vec::new(),
        };
        for spec in specs(state) {
            match Peer::start(spec).await? {
                Ok(_works) => tools.ran.push(spec.name),
                Err(reason) => tools.missing.push(reason),
            }
        }
        Ok(tools)
    }

    /// Starts those that work.
    ///
    /// # Errors
    /// When one that worked does not any more.
    pub(super) async fn start(&self) -> Result<Running> {
        let works = specs(self.state)
            .iter()
            .filter(|spec| self.ran.contains(&spec.name));
        let mut running = Vec::new();
        for spec in works {
            running.push(Peer::start(spec).await?.map_err(anyhow::Error::msg)?);
        }
        Ok(Running(running))
    }
}

impl Running {
    /// None at all.
    pub(super) const NOTHING: Self = Self(Vec::new());

    /// CPU time of all since they were started.
    pub(super) fn cpu(&self) -> Duration {
        let clocks = self.0.iter().filter_map(|tool| process_clock(tool.pid()));
        clocks.sum()
    }

    /// Resident memory of all.
    pub(super) fn rss_bytes(&self) -> u64 {
        let resident = self.0.iter().filter_map(|tool| {
            let process = Process::new(tool.pid().cast_signed()).ok()?;
            process.status().ok()?.vmrss
        });
        // The kernel's kB are KiB.
        resident.sum::<u64>() * 1024
    }
}
