//! Installing a toolchain for BPF on a fresh machine.

use std::fmt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::toolchain::{Kind, Toolchain};

/// The linker; the same version everywhere, because it decides the object's bytes too.
const LINKER: &str = "bpf-linker@0.13.0";

/// Where Debian puts the LLVM that the linker is built against.
const LLVM: &str = "/usr/lib/llvm-22";

/// One command to run.
struct Step {
    environment: Vec<(&'static str, &'static str)>,
    words: Vec<&'static str>,
}

/// Installs what is missing; does nothing when a toolchain is there already. Debian's needs root.
pub fn set_up() -> Result<()> {
    if let Ok(found) = Toolchain::find(None) {
        println!("Nothing to install: there is {found}");
        return Ok(());
    }
    let kind = if Path::new("/usr/bin/apt-get").exists() {
        Kind::Debian
    } else {
        Kind::Rustup
    };
    for step in steps(kind) {
        println!("+ {step}");
        let status = step
            .command()
            .status()
            .with_context(|| format!("cannot run {step}"))?;
        ensure!(status.success(), "failed with {status}: {step}");
    }
    println!("Installed {}", Toolchain::find(Some(kind))?);
    Ok(())
}

/// The commands for a message, one a line.
pub(crate) fn commands_of(kind: Kind) -> String {
    steps(kind)
        .iter()
        .map(|step| format!("    {step}"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn steps(kind: Kind) -> Vec<Step> {
    let step = |words: &[&'static str]| Step {
        environment: Vec::new(),
        words: words.to_vec(),
    };
    match kind {
        Kind::Debian => vec![
            step(&["apt-get", "update"]),
            step(&[
                "apt-get",
                "install",
                "--yes",
                "--no-install-recommends",
                "rustc-web",
                "cargo-web",
                "libstd-rust-web-dev-bpf",
                "llvm-22-dev",
                "libpolly-22-dev",
                "libzstd-dev",
                "zlib1g-dev",
                "libxml2-dev",
                "g++",
            ]),
            Step {
                environment: vec![("LLVM_PREFIX", LLVM), ("LLVM_SYS_221_PREFIX", LLVM)],
                words: vec![
                    "cargo",
                    "install",
                    "--locked",
                    LINKER,
                    "--no-default-features",
                    "--features",
                    "llvm-22",
                ],
            },
        ],
        Kind::Rustup => vec![
            step(&[
                "rustup",
                "toolchain",
                "install",
                "nightly",
                "--profile",
                "minimal",
            ]),
            step(&[
                "rustup",
                "component",
                "add",
                "rust-src",
                "--toolchain",
                "nightly",
            ]),
            step(&["cargo", "install", "--locked", LINKER]),
        ],
    }
}

impl Step {
    fn command(&self) -> Command {
        let mut command = Command::new(self.words[0]);
        command
            .args(&self.words[1..])
            .envs(self.environment.iter().copied());
        // Installed for the user's own toolchain, not for the one that runs this program.
        command
            .env_remove("RUSTUP_TOOLCHAIN")
            .env_remove("CARGO_TARGET_DIR");
        command
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.environment {
            write!(f, "{name}={value} ")?;
        }
        f.write_str(&self.words.join(" "))
    }
}
