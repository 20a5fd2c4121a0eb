//! The committed object, and the digests that tell whether it is what the sources make.

use std::fmt::{self, Write};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// Everything that the object depends on, relative to `ebpf/`.
const SOURCES: [&str; 5] = [
    "Cargo.lock",
    "Cargo.toml",
    "common/Cargo.toml",
    "common/src",
    "src",
];

/// `ebpf/dist`.
#[derive(Clone, Debug)]
pub struct Dist {
    ebpf_root: PathBuf,
}

/// Whether what is committed fits together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// The object was built from these sources.
    Fresh,
    /// The sources have changed since.
    SourcesChanged,
    /// The object is not the one that was built then.
    ObjectChanged,
    /// Object or digests are not there.
    Missing,
}

impl Dist {
    /// The one of the sources in `ebpf_root`.
    pub fn of(ebpf_root: &Path) -> Self {
        Self {
            ebpf_root: ebpf_root.to_path_buf(),
        }
    }

    /// Path of the object.
    pub fn object(&self) -> PathBuf {
        self.ebpf_root.join("dist/viperscale.bpf.o")
    }

    /// Path of the digests: SHA-256 of sources and object.
    pub fn digests(&self) -> PathBuf {
        self.ebpf_root.join("dist/viperscale.bpf.sha256")
    }

    /// Writes a fresh `object` and its digests.
    pub fn write(&self, object: &[u8]) -> Result<()> {
        let digests = digests(&self.digest_of_sources()?, object);
        fs::create_dir_all(self.ebpf_root.join("dist")).context("cannot create ebpf/dist")?;
        fs::write(self.object(), object).context("cannot write the object")?;
        fs::write(self.digests(), digests).context("cannot write the digests")
    }

    /// Compares what is there with the sources.
    pub fn check(&self) -> Result<Freshness> {
        let (Ok(object), Ok(recorded)) =
            (fs::read(self.object()), fs::read_to_string(self.digests()))
        else {
            return Ok(Freshness::Missing);
        };
        let expected = digests(&self.digest_of_sources()?, &object);
        let differs = |line: usize| recorded.lines().nth(line) != expected.lines().nth(line);
        Ok(match (differs(0), differs(1)) {
            (true, _) => Freshness::SourcesChanged,
            (_, true) => Freshness::ObjectChanged,
            _ => Freshness::Fresh,
        })
    }

    fn digest_of_sources(&self) -> Result<String> {
        let mut files = Vec::new();
        for source in SOURCES {
            collect(&self.ebpf_root, Path::new(source), &mut files)?;
        }
        files.sort();
        let mut hasher = Sha256::new();
        for file in files {
            let path = self.ebpf_root.join(&file);
            let content =
                fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            // Lengths keep two files from passing for one.
            let name = file.to_string_lossy();
            hasher.update(format!("{} {name}\n{}\n", name.len(), content.len()));
            hasher.update(content);
        }
        Ok(hex(&hasher.finalize()))
    }
}

impl fmt::Display for Freshness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fresh => "ebpf/dist is up to date",
            Self::SourcesChanged => {
                "ebpf/dist is stale: the sources have changed since it was built; run `cargo ebpf`"
            }
            Self::ObjectChanged => {
                "ebpf/dist/viperscale.bpf.o is not the object that was built from the sources; run \
                 `cargo ebpf`"
            }
            Self::Missing => "ebpf/dist lacks the object or its digests; run `cargo ebpf`",
        })
    }
}

fn collect(root: &Path, relative: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let path = root.join(relative);
    if !path.is_dir() {
        files.push(relative.to_path_buf());
        return Ok(());
    }
    for entry in fs::read_dir(&path).with_context(|| format!("cannot read {}", path.display()))? {
        collect(root, &relative.join(entry?.file_name()), files)?;
    }
    Ok(())
}

fn digests(sources: &str, object: &[u8]) -> String {
    format!(
        "sources {sources}\nobject  {}\n",
        hex(&Sha256::digest(object))
    )
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes everything");
        text
    })
}
