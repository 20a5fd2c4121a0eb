//! Reading policy files from disk.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// A policy is some dozens of lines; a file beyond this is a mistake, not a policy.
const MAX_FILE_BYTES: u64 = 1024 * 1024;
/// More files than any cluster has deployments worth scaling.
const MAX_FILES: usize = 10_000;

/// A file that was there, readable or not.
#[derive(Debug)]
pub struct PolicyFile {
    /// Its path, as it is named in messages.
    pub path: PathBuf,
    /// Its text, or why it cannot be read.
    pub text: io::Result<String>,
}

/// Reads every policy file directly in `directory`, in the order of their names.
///
/// # Errors
/// When the directory cannot be listed.
pub fn read_directory(directory: &Path) -> io::Result<Vec<PolicyFile>> {
    Ok(policy_files(directory)?
        .into_iter()
        .map(read_file)
        .collect())
}

/// Reads one file.
pub fn read_file(path: PathBuf) -> PolicyFile {
    let text = read_bounded(&path);
    PolicyFile { path, text }
}

/// The `*.yaml` and `*.yml` directly in `directory`, sorted, hidden ones left out.
///
/// Symlinks are followed, because a mounted ConfigMap consists of them.
///
/// # Errors
/// When the directory cannot be listed, or holds more files than can be policies.
pub fn policy_files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if is_policy_file(&path) {
            files.push(path);
        }
        if files.len() > MAX_FILES {
            return Err(io::Error::other(format!(
                "more than {MAX_FILES} policy files"
            )));
        }
    }
    files.sort();
    Ok(files)
}

fn is_policy_file(path: &Path) -> bool {
    let hidden = path
        .file_name()
        .is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
    let yaml = path
        .extension()
        .is_some_and(|extension| extension == "yaml" || extension == "yml");
    yaml && !hidden && !path.is_dir()
}

fn read_bounded(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    fs::File::open(path)?
        .take(MAX_FILE_BYTES + 1)
        .read_to_string(&mut text)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(io::Error::other(format!(
            "larger than {MAX_FILE_BYTES} bytes"
        )));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_visible_yaml_files_are_policies() {
        let directory = tempfile::tempdir().unwrap();
        for name in [
            "b.yaml",
            "a.yml",
            ".b.yaml.swp",
            ".hidden.yaml",
            "notes.txt",
        ] {
            fs::write(directory.path().join(name), "x").unwrap();
        }
        fs::create_dir(directory.path().join("sub.yaml")).unwrap();
        let files = policy_files(directory.path()).unwrap();
        let names: Vec<_> = files
            .iter()
            .filter_map(|f| f.file_name()?.to_str())
            .collect();
        assert_eq!(names, ["a.yml", "b.yaml"]);
    }

    #[test]
    fn an_oversized_file_and_a_dangling_link_are_errors_of_that_file_alone() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(
            directory.path().join("big.yaml"),
            vec![b'x'; 1024 * 1024 + 1],
        )
        .unwrap();
        std::os::unix::fs::symlink("/nowhere", directory.path().join("link.yaml")).unwrap();
        fs::write(directory.path().join("ok.yaml"), "x").unwrap();
        let read = read_directory(directory.path()).unwrap();
        let readable: Vec<bool> = read.iter().map(|file| file.text.is_ok()).collect();
        assert_eq!(readable, [false, false, true]);
    }
}
