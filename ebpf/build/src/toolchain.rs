//! Finding a compiler and a linker for BPF.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};
use clap::ValueEnum;

use crate::setup;

/// Target of the kernel programs.
pub(crate) const TARGET: &str = "bpfel-unknown-none";

/// Where a compiler for BPF can come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Debian's `rustc-web`, for which a core library is packaged.
    Debian,
    /// rustup's nightly, which builds the core library from `rust-src`.
    Rustup,
}

/// A compiler and a linker for BPF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toolchain {
    /// Where it comes from.
    pub kind: Kind,
    pub(crate) cargo: PathBuf,
    pub(crate) rustc: PathBuf,
    pub(crate) linker: PathBuf,
    /// Where the compiler's own sources are said to lie, for builds that do not tell.
    pub(crate) sysroot: PathBuf,
    version: String,
}

impl Toolchain {
    /// The toolchain of the kind that is `wanted`, else Debian's, else rustup's. The error lists the
    /// commands that install each.
    pub fn find(wanted: Option<Kind>) -> Result<Self> {
        let kinds = wanted.map_or(Kind::value_variants().to_vec(), |kind| vec![kind]);
        let mut problems = Vec::new();
        for kind in kinds {
            match Self::of_kind(kind) {
                Ok(found) => return Ok(found),
                Err(problem) => problems.push(format!(
                    "- {problem:#}. Install it with:\n{}",
                    setup::commands_of(kind)
                )),
            }
        }
        bail!(
            "no toolchain for {TARGET} was found\n{}\nOr let `cargo ebpf setup` do it.",
            problems.join("\n")
        )
    }

    fn of_kind(kind: Kind) -> Result<Self> {
        let (cargo, rustc) = match kind {
            Kind::Debian => (
                PathBuf::from("/usr/bin/cargo"),
                PathBuf::from("/usr/bin/rustc"),
            ),
            Kind::Rustup => (which_nightly("cargo")?, which_nightly("rustc")?),
        };
        let Some(sysroot) = output(&rustc, &["--print", "sysroot"]).map(PathBuf::from) else {
            bail!("{kind}: {} does not run", rustc.display());
        };
        let needed = sysroot.join("lib/rustlib").join(match kind {
            Kind::Debian => TARGET,
            Kind::Rustup => "src/rust/library",
        });
        if !needed.exists() {
            bail!("{kind}: {} is missing", needed.display());
        }
        if !cargo.exists() {
            bail!("{kind}: {} is missing", cargo.display());
        }
        let Some(linker) = find_linker() else {
            bail!("{kind}: bpf-linker is neither in PATH nor in ~/.cargo/bin");
        };
        let version = output(&rustc, &["--version"]).unwrap_or_default();
        Ok(Self {
            kind,
            cargo,
            rustc,
            linker,
            sysroot,
            version,
        })
    }
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ({}, {})",
            self.kind,
            self.version,
            self.linker.display()
        )
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Debian => "Debian's compiler with a packaged core library",
            Self::Rustup => "rustup's nightly with -Z build-std",
        })
    }
}

fn which_nightly(tool: &str) -> Result<PathBuf> {
    match output(
        Path::new("rustup"),
        &["which", "--toolchain", "nightly", tool],
    ) {
        Some(path) => Ok(path.into()),
        None => bail!("{}: rustup has no nightly {tool}", Kind::Rustup),
    }
}

fn find_linker() -> Option<PathBuf> {
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| {
            let home = std::env::var_os("HOME")?;
            Some(Path::new(&home).join(".cargo"))
        });
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(home.map(|home| home.join("bin")))
        .map(|folder| folder.join("bpf-linker"))
        .find(|candidate| candidate.is_file())
}

/// What a program prints, trimmed; nothing if it is missing or fails.
fn output(program: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
