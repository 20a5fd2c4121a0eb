//! Installing Locust once, for all later runs of this user.
//!
//! An installation is a directory whose name contains the hash of all that it depends on, and which is whole once it
//! contains a marker, written last. A file lock lets one process build while others wait; what a killed build left
//! behind has no marker and is removed by the next.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::Command;

use super::child::{OwnChild, Tail};
use super::python::Python;
use super::{LocustError, REQUIREMENTS};

/// Written into an installation when it is whole.
const MARKER: &str = "complete";

/// How long one step may take, on a slow line.
const STEP_MINUTES: u64 = 15;

/// How often a process that waits for another's installation looks again.
const LOCK_POLL: Duration = Duration::from_millis(200);

/// What pip's output contains when the index cannot be reached.
const NETWORK_SIGNS: [&str; 7] = [
    "Failed to establish a new connection",
    "NewConnectionError",
    "NameResolutionError",
    "ConnectTimeoutError",
    "ReadTimeoutError",
    "ProxyError",
    "Network is unreachable",
];

/// An installed Locust.
#[derive(Clone, Debug)]
pub struct Locust {
    python: PathBuf,
    /// Where the packages are, when Python cannot make environments.
    packages: Option<PathBuf>,
}

impl Locust {
    /// Finds the installation of this program's version of Locust, or makes it.
    ///
    /// It lies in `$XDG_CACHE_HOME/viperscale` or `~/.cache/viperscale`. Python is `$VIPERSCALE_PYTHON` or `python3`.
    /// `progress` is told each step. Dropping the future ends the installation; the next call begins again.
    ///
    /// # Errors
    /// When there is no suitable Python, no network, no space.
    pub async fn ensure(progress: &(dyn Fn(&str) + Sync)) -> Result<Self, LocustError> {
        Self::ensure_in(&cache_directory()?, progress).await
    }

    /// As [`Locust::ensure`], in another directory.
    ///
    /// # Errors
    /// As there.
    pub async fn ensure_in(
        cache: &Path,
        progress: &(dyn Fn(&str) + Sync),
    ) -> Result<Self, LocustError> {
        let program = std::env::var("VIPERSCALE_PYTHON").unwrap_or_else(|_| "python3".into());
        let python = Python::find(&program).await?;
        Installation::new(cache, python).ensure(progress).await
    }

    /// A command that runs Locust, with neither this user's settings nor packages in its way.
    pub(super) fn command(&self, home: &Path) -> Command {
        let mut command = Command::new(&self.python);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("LOCUST_") {
                command.env_remove(name);
            }
        }
        command
            .args(["-m", "locust"])
            .current_dir(home)
            .env("HOME", home);
        command
            .env("PYTHONNOUSERSITE", "1")
            .env_remove("PYTHONPATH")
            .env_remove("PYTHONHOME");
        if let Some(packages) = &self.packages {
            command.env("PYTHONPATH", packages);
        }
        command
    }

    /// Path of the Python that runs it.
    #[must_use]
    pub fn python(&self) -> &Path {
        &self.python
    }
}

fn cache_directory() -> Result<PathBuf, LocustError> {
    let variable = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    variable("XDG_CACHE_HOME")
        .or_else(|| variable("HOME").map(|home| home.join(".cache")))
        .map(|cache| cache.join("viperscale"))
        .ok_or(LocustError::NoCacheDirectory)
}

/// Where an installation is, or is to be.
struct Installation {
    directory: PathBuf,
    python: Python,
    /// Environment variables for pip, on top of ours.
    variables: Vec<(&'static str, String)>,
}

impl Installation {
    fn new(cache: &Path, python: Python) -> Self {
        // Compiled packages fit one version of Python only, and an environment points to one interpreter.
        let key = Sha256::new()
            .chain_update(REQUIREMENTS)
            .chain_update(format!("{python:?}"))
            .finalize();
        let hash: String = key
            .iter()
            .take(6)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let directory = cache.join(format!("locust-{}-{hash}", version()));
        Self {
            directory,
            python,
            variables: Vec::new(),
        }
    }

    async fn ensure(&self, progress: &(dyn Fn(&str) + Sync)) -> Result<Locust, LocustError> {
        if !self.is_whole() {
            if let Some(cache) = self.directory.parent() {
                fs::create_dir_all(cache).map_err(LocustError::file("create", cache))?;
            }
            let _lock = self.lock(progress).await?;
            // Another process may have built it while we waited.
            if !self.is_whole() {
                self.build(progress).await?;
            }
        }
        Ok(self.locust())
    }

    fn is_whole(&self) -> bool {
        self.directory.join(MARKER).exists()
    }

    fn locust(&self) -> Locust {
        if self.python.venv {
            Locust {
                python: self.directory.join("bin/python"),
                packages: None,
            }
        } else {
            Locust {
                python: PathBuf::from(&self.python.executable),
                packages: Some(self.directory.clone()),
            }
        }
    }

    async fn lock(&self, progress: &(dyn Fn(&str) + Sync)) -> Result<File, LocustError> {
        let path = self.directory.with_extension("lock");
        let file = File::create(&path).map_err(LocustError::file("create", &path))?;
        let mut told = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::Error(source)) => {
                    return Err(LocustError::File {
                        action: "lock",
                        path,
                        source,
                    });
                }
                Err(TryLockError::WouldBlock) if told => {}
                Err(TryLockError::WouldBlock) => {
                    told = true;
                    progress("waiting for another process that installs Locust");
                }
            }
            tokio::time::sleep(LOCK_POLL).await;
        }
    }

    /// Builds in place, because an environment contains its own path, and marks it whole at the end.
    async fn build(&self, progress: &(dyn Fn(&str) + Sync)) -> Result<(), LocustError> {
        let directory = &self.directory;
        if directory.exists() {
            fs::remove_dir_all(directory).map_err(LocustError::file("remove", directory))?;
        }
        fs::create_dir_all(directory).map_err(LocustError::file("create", directory))?;
        let requirements = directory.join("requirements.txt");
        fs::write(&requirements, REQUIREMENTS)
            .map_err(LocustError::file("write", &requirements))?;

        if self.python.venv {
            progress("installing Locust: making a Python environment");
            let mut command = Command::new(&self.python.executable);
            command.args(["-m", "venv"]).arg(directory);
            self.step("python -m venv", command, &|_| {}).await?;
        }
        progress(&format!("installing Locust {}", version()));
        let mut command = match self.python.venv {
            true => Command::new(directory.join("bin/python")),
            false => Command::new(&self.python.executable),
        };
        command
            .args([
                "-m",
                "pip",
                "install",
                "--no-input",
                "--disable-pip-version-check",
                "--prefer-binary",
            ])
            .args([
                "--progress-bar",
                "off",
                "--retries",
                "2",
                "--no-warn-script-location",
            ])
            .arg("--requirement")
            .arg(&requirements);
        if !self.python.venv {
            command.arg("--target").arg(directory);
        }
        let packages = REQUIREMENTS
            .lines()
            .filter(|line| line.contains("=="))
            .count();
        let collected = AtomicUsize::new(0);
        let tell = |line: &str| {
            if let Some(package) = line.strip_prefix("Collecting ") {
                let number = collected.fetch_add(1, Ordering::Relaxed) + 1;
                let name = package.split(['=', ' ']).next().unwrap_or(package);
                progress(&format!(
                    "installing Locust: {number} of {packages} packages ({name})"
                ));
            } else if line.starts_with("Installing collected packages") {
                progress("installing Locust: unpacking");
            }
        };
        self.step("pip install", command, &tell).await?;

        let mut command = self.locust().command(directory);
        command.arg("--version");
        self.step("locust --version", command, &|_| {}).await?;
        let marker = directory.join(MARKER);
        fs::write(&marker, "").map_err(LocustError::file("write", &marker))
    }

    /// Runs one step to its end; `tell` hears each line of its standard output.
    async fn step(
        &self,
        step: &'static str,
        mut command: Command,
        tell: &(dyn Fn(&str) + Sync),
    ) -> Result<(), LocustError> {
        let program = PathBuf::from(command.as_std().get_program());
        command
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let spawn = |source| LocustError::Spawn { program, source };
        let mut child = OwnChild::spawn(command).map_err(spawn)?;
        let (stdout, stderr) = (child.take_stdout(), child.take_stderr());
        let (mut said, mut complained) = (Tail::default(), Tail::default());
        let run = async {
            tokio::join!(
                follow(stdout, |line| {
                    tell(&line);
                    said.push(line);
                }),
                follow(stderr, |line| complained.push(line)),
            );
            child.wait().await
        };
        let outcome = tokio::time::timeout(Duration::from_secs(STEP_MINUTES * 60), run).await;
        let tail = || format!("{}\n{}", said.text(), complained.text());
        match outcome {
            Err(_) => Err(LocustError::InstallTimeout {
                step,
                minutes: STEP_MINUTES,
                tail: tail(),
            }),
            Ok(Err(source)) => Err(LocustError::Spawn {
                program: step.into(),
                source,
            }),
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => {
                let tail = tail();
                if NETWORK_SIGNS.iter().any(|sign| tail.contains(sign)) {
                    return Err(LocustError::NoNetwork { tail });
                }
                Err(LocustError::Install { step, status, tail })
            }
        }
    }
}

/// Reads lines to the end. A line that is no UTF-8 ends the reading: only progress and the tail are lost.
async fn follow(output: Option<impl AsyncRead + Unpin>, mut hear: impl FnMut(String)) {
    let Some(output) = output else { return };
    let mut lines = BufReader::new(output).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        hear(line);
    }
}

/// The pinned version of Locust.
#[must_use]
pub fn version() -> &'static str {
    REQUIREMENTS
        .lines()
        .find_map(|line| line.strip_prefix("locust=="))
        .expect("requirements.txt is part of this program and pins Locust")
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn here(cache: &Path) -> Installation {
        Installation::new(cache, Python::find("python3").await.unwrap())
    }

    #[test]
    fn every_package_is_pinned() {
        let packages = REQUIREMENTS
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        assert!(packages.clone().all(|line| line.contains("==")));
        assert!(packages.count() > 20);
        assert_eq!(version().split('.').count(), 3);
    }

    #[tokio::test]
    async fn a_dead_index_is_a_network_error_and_leaves_no_marker() {
        let cache = tempfile::tempdir().unwrap();
        let mut installation = here(cache.path()).await;
        // Port 9 on loopback refuses; a directory of wheels that this user may have must not help.
        installation.variables = vec![
            ("PIP_INDEX_URL", "http://127.0.0.1:9/simple".into()),
            ("PIP_FIND_LINKS", String::new()),
            ("PIP_NO_CACHE_DIR", "1".into()),
        ];
        let error = installation.ensure(&|_| {}).await.unwrap_err();
        assert!(matches!(error, LocustError::NoNetwork { .. }), "{error}");
        assert!(!installation.is_whole());
    }

    #[tokio::test]
    async fn a_failing_step_shows_the_end_of_its_output() {
        let cache = tempfile::tempdir().unwrap();
        let installation = here(cache.path()).await;
        let mut command = Command::new("sh");
        command.args(["-c", "echo started; echo no space left >&2; exit 7"]);
        let error = installation
            .step("pip install", command, &|_| {})
            .await
            .unwrap_err()
            .to_string();
        for part in ["pip install", "exit status: 7", "started", "no space left"] {
            assert!(error.contains(part), "{error}");
        }
    }
}
