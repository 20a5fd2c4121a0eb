//! What must be true of the machine before anything is started, checked all at once so that a user
//! fixes everything in one go.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// The kernel's type information, without which no probe finds its fields.
const BTF: &str = "/sys/kernel/btf/vmlinux";

/// Where the kernel lists this process' mounts.
const MOUNTS: &str = "/proc/self/mounts";

/// What was found of the machine; gathered first and judged afterwards, so that the judgement can
/// be tested without such a machine.
#[derive(Debug, Clone)]
pub struct Machine {
    /// Effective user id 0.
    pub root: bool,
    /// The kernel publishes BTF.
    pub btf: bool,
    /// Text of the mount table.
    pub mounts: String,
    /// Programs that are not beside ours, by path.
    pub missing_programs: Vec<PathBuf>,
}

impl Machine {
    /// Looks at this machine; `programs` are the ones that have to exist.
    pub fn inspect(programs: &[&Path]) -> Self {
        Self {
            root: nix::unistd::geteuid().is_root(),
            btf: Path::new(BTF).exists(),
            mounts: fs::read_to_string(MOUNTS).unwrap_or_default(),
            missing_programs: programs
                .iter()
                .filter(|program| !program.is_file())
                .map(|program| program.to_path_buf())
                .collect(),
        }
    }

    /// Everything that stands in the way, each with what to do about it.
    pub fn obstacles(&self) -> Vec<String> {
        let mut obstacles = Vec::new();
        if !self.root {
            obstacles.push(
                "not running as root: pods need cgroups and probes need CAP_BPF; run it with sudo"
                    .to_owned(),
            );
        }
        if !self.btf {
            obstacles.push(format!(
                "{BTF} is missing: the kernel has no type information; boot one built with \
                 CONFIG_DEBUG_INFO_BTF=y (every current distribution's is)"
            ));
        }
        if !has_cgroup_mount(&self.mounts) {
            obstacles.push(
                "no cgroup hierarchy is mounted: mount one with \
                 `mount -t cgroup2 none /sys/fs/cgroup`"
                    .to_owned(),
            );
        }
        for program in &self.missing_programs {
            obstacles.push(format!(
                "{} is missing: build all programs with `cargo build --release`",
                program.display()
            ));
        }
        obstacles
    }

    /// Fails with all obstacles in one message.
    ///
    /// # Errors
    /// When there is at least one.
    pub fn check(&self) -> Result<()> {
        let obstacles = self.obstacles();
        if obstacles.is_empty() {
            return Ok(());
        }
        bail!(
            "this machine is not ready:\n  - {}",
            obstacles.join("\n  - ")
        )
    }
}

/// True when a v2 hierarchy, or at least the v1 cpu controller, is mounted.
fn has_cgroup_mount(mounts: &str) -> bool {
    mounts.lines().any(|line| {
        let mut fields = line.split_whitespace().skip(2);
        let kind = fields.next().unwrap_or_default();
        let options = fields.next().unwrap_or_default();
        kind == "cgroup2" || (kind == "cgroup" && options.split(',').any(|option| option == "cpu"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Machine {
        Machine {
            root: true,
            btf: true,
            mounts: "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n".to_owned(),
            missing_programs: Vec::new(),
        }
    }

    #[test]
    fn a_good_machine_has_no_obstacle() {
        good().check().unwrap();
        let hybrid = "cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0\n".to_owned();
        Machine {
            mounts: hybrid,
            ..good()
        }
        .check()
        .unwrap();
    }

    #[test]
    fn all_obstacles_are_named_together() {
        let machine = Machine {
            root: false,
            btf: false,
            mounts: "proc /proc proc rw 0 0\ncgroup /x cgroup rw,memory 0 0\n".to_owned(),
            missing_programs: vec!["/opt/scaler".into()],
        };
        let message = machine.check().unwrap_err().to_string();
        for part in [
            "sudo",
            "CONFIG_DEBUG_INFO_BTF",
            "mount -t cgroup2",
            "/opt/scaler",
        ] {
            assert!(message.contains(part), "{part} is not in: {message}");
        }
    }
}
