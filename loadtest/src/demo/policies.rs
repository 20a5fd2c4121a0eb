//! The policies of the demo shop, carried inside the program so that it runs from anywhere.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rust_embed::Embed;

#[derive(Embed)]
#[folder = "../policies"]
struct Policies;

/// Writes the policies below `dir` and returns their directory.
///
/// # Errors
/// When they cannot be written.
pub(crate) fn unpack(dir: &Path) -> Result<PathBuf> {
    let folder = dir.join("policies");
    let what = || format!("cannot write the demo's policies to {}", folder.display());
    fs::create_dir_all(&folder).with_context(what)?;
    for name in Policies::iter() {
        let file = Policies::get(&name).context("an embedded policy vanished")?;
        fs::write(folder.join(name.as_ref()), file.data).with_context(what)?;
    }
    Ok(folder)
}

/// Has the scaler itself check the user's policies, before anything else is started.
///
/// # Errors
/// What the scaler finds wrong with them.
pub(crate) async fn check(scaler: &Path, folder: &Path) -> Result<()> {
    let output = tokio::process::Command::new(scaler)
        .arg("check")
        .arg(folder)
        .output()
        .await
        .with_context(|| format!("cannot run {}", scaler.display()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    bail!(
        "--policies {}:\n{}",
        folder.display(),
        String::from_utf8_lossy(&said).trim_end()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_of_the_repository_is_unpacked() {
        let dir = tempfile::tempdir().unwrap();
        let folder = unpack(dir.path()).unwrap();
        let unpacked = fs::read_dir(folder).unwrap().count();
        let repository = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../policies")).unwrap();
        assert_eq!(unpacked, repository.count());
        assert!(unpacked > 0);
    }
}
