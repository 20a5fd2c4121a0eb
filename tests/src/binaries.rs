//! The programs under test, built from the sources that the tests were built from.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use loadtest::local::Programs;

/// The programs, built once per test binary.
///
/// `cargo test -p` builds only the programs of one package, and stale ones would be tested without
/// notice; hence the explicit build. It is the one of the README's test command, so that under that
/// command there is nothing left to do.
///
/// # Panics
/// When they do not build, or when the tests do not run as root.
pub fn programs() -> &'static Programs {
    static PROGRAMS: OnceLock<Programs> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
        assert!(
            nix::unistd::geteuid().is_root(),
            "the end-to-end tests load eBPF programs and make cgroups: run them as root"
        );
        build();
        let directory = target_directory();
        let program = |name| directory.join(name);
        Programs {
            loadtest: program("loadtest"),
            probe_agent: program("probe-agent"),
            scaler: program("scaler"),
            demo_shop: program("demo-shop"),
        }
    })
}

fn build() {
    let status = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()))
        .args(["test", "--locked", "--workspace", "--tests", "--no-run"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "the programs do not build"
    );
}

/// `target/debug`, two levels above `target/debug/deps/TEST`.
fn target_directory() -> PathBuf {
    let test = std::env::current_exe().expect("a running program has a path");
    test.ancestors()
        .nth(2)
        .expect("tests are built below target/debug/deps")
        .to_owned()
}
