//! Running cargo for the kernel programs.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::strip_debug_information;
use crate::toolchain::{Kind, TARGET, Toolchain};

/// Variables of the cargo that runs this program, which must not reach the one that it runs.
const INHERITED: [&str; 9] = [
    "CARGO",
    "CARGO_BUILD_TARGET",
    "CARGO_TARGET_DIR",
    "RUSTC",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_WRAPPER",
    "RUSTDOC",
    "RUSTFLAGS",
    "RUSTUP_TOOLCHAIN",
];

/// Compiles the programs in `ebpf_root`; returns the object as it is to be committed.
pub fn compile(ebpf_root: &Path, toolchain: &Toolchain) -> Result<Vec<u8>> {
    let mut cargo = Command::new(&toolchain.cargo);
    for name in INHERITED {
        cargo.env_remove(name);
    }
    cargo
        .current_dir(ebpf_root)
        .args(["build", "--release", "--locked", "--target", TARGET])
        .env("RUSTC", &toolchain.rustc)
        .env("CARGO_TARGET_DIR", ebpf_root.join("target"))
        .env(
            "CARGO_ENCODED_RUSTFLAGS",
            flags(ebpf_root, toolchain)?.join("\x1f"),
        );
    match toolchain.kind {
        // The target is known to this stable compiler as an unstable one.
        Kind::Debian => cargo.env("RUSTC_BOOTSTRAP", "1"),
        Kind::Rustup => cargo.args(["-Z", "build-std=core"]),
    };
    let status = cargo
        .status()
        .with_context(|| format!("cannot run {}", toolchain.cargo.display()))?;
    ensure!(
        status.success(),
        "the kernel programs do not compile with {toolchain}"
    );
    let built = ebpf_root
        .join("target")
        .join(TARGET)
        .join("release/viperscale");
    let object = fs::read(&built).with_context(|| format!("cannot read {}", built.display()))?;
    strip_debug_information(&object)
}

fn flags(ebpf_root: &Path, toolchain: &Toolchain) -> Result<Vec<String>> {
    let text = |path: &Path| match path.to_str() {
        Some(text) => Ok(text.to_owned()),
        None => bail!("{} is not UTF-8; build from another place", path.display()),
    };
    let mut flags: Vec<String> = ["-C", "link-arg=--btf", "-C", "debuginfo=2"]
        .map(str::to_owned)
        .into();
    flags.extend([
        "-C".to_owned(),
        format!("linker={}", text(&toolchain.linker)?),
    ]);
    // BTF names source files: keep this machine's paths out of it.
    let registry = std::env::var_os("CARGO_HOME")
        .map(Into::into)
        .or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(".cargo")));
    let places = [
        (Some(ebpf_root.into()), "ebpf"),
        (registry, "cargo"),
        (Some(toolchain.sysroot.clone()), "rust"),
    ];
    for (place, name) in places {
        if let Some(place) = place {
            flags.push(format!("--remap-path-prefix={}={name}", text(&place)?));
        }
    }
    Ok(flags)
}
