//! Other tools that count the same events: what there are, and how they are started.

mod process;

use std::process::Command;

use serde::Serialize;

pub(in crate::bench::probes) use process::Peer;

/// Where a tool comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Origin {
    /// libbpf-tools of BCC: compiled C, of which Debian has a package.
    LibbpfTools,
    /// A script for bpftrace, in the folder `bpftrace` beside this module.
    Bpftrace,
}

/// A tool and how to start it.
#[derive(Debug)]
pub(in crate::bench::probes) struct PeerSpec {
    pub(super) origin: Origin,
    /// The program of libbpf-tools, or what the script counts.
    pub(in crate::bench::probes) name: &'static str,
    /// Arguments of the program.
    args: &'static [&'static str],
    /// The script.
    script: &'static str,
    /// A part of the name of the program that runs once per event; without it, the one that runs most.
    counted_by: Option<&'static str>,
}

impl PeerSpec {
    pub(in crate::bench::probes) const fn libbpf(
        name: &'static str,
        args: &'static [&'static str],
    ) -> Self {
        Self {
            origin: Origin::LibbpfTools,
            name,
            args,
            script: "",
            counted_by: None,
        }
    }

    pub(in crate::bench::probes) const fn bpftrace(
        name: &'static str,
        script: &'static str,
    ) -> Self {
        Self {
            origin: Origin::Bpftrace,
            name,
            args: &[],
            script,
            counted_by: None,
        }
    }

    pub(in crate::bench::probes) const fn counted_by(mut self, program: &'static str) -> Self {
        self.counted_by = Some(program);
        self
    }

    fn command(&self) -> Command {
        match self.origin {
            Origin::LibbpfTools => {
                let mut command = Command::new(self.name);
                command.args(self.args);
                command
            }
            Origin::Bpftrace => {
                let mut command = Command::new("bpftrace");
                command.args(["-q", "-e", self.script]);
                command
            }
        }
    }

    fn not_installed(&self) -> String {
        match self.origin {
            Origin::LibbpfTools => format!(
                "{} is not installed; on Debian: apt-get install libbpf-tools",
                self.name
            ),
            Origin::Bpftrace => {
                "bpftrace is not installed; on Debian: apt-get install bpftrace".to_owned()
            }
        }
    }
}
