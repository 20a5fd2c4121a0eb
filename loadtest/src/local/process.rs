//! Child processes of a run: started with their log in a file, stopped in reverse order, and never
//! left behind, not even when this process is killed.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};

/// How long a process may take to stop by itself before it is killed.
const STOP_DEADLINE: Duration = Duration::from_secs(10);

/// Lines of a log that go into an error message.
const TAIL_LINES: usize = 12;

/// What to start.
#[derive(Debug)]
pub struct ProcessSpec {
    /// Names the process in messages and its log file.
    pub name: &'static str,
    /// The program's path.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Environment variables on top of ours.
    pub env: Vec<(&'static str, OsString)>,
}

/// A running child.
#[derive(Debug)]
pub struct Process {
    name: &'static str,
    log: PathBuf,
    child: Child,
}

impl Process {
    /// Starts `spec` with its output in `logs/NAME.log`.
    ///
    /// The child gets a process group of its own, so that a Ctrl-C in the terminal reaches only us,
    /// and SIGTERM when the thread that called this dies: call it from a thread that lives as long
    /// as the run.
    ///
    /// # Errors
    /// When the program is missing or cannot be started.
    pub fn start(spec: ProcessSpec, logs: &Path) -> Result<Self> {
        let log = logs.join(format!("{}.log", spec.name));
        let output =
            File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = Command::new(&spec.program);
        command
            .args(&spec.args)
            .envs(spec.env)
            .stdin(Stdio::null())
            .stdout(output.try_clone().context("cannot duplicate a log file")?)
            .stderr(output)
            .process_group(0)
            .kill_on_drop(true);
        let parent = nix::unistd::getpid();
        // SAFETY: between fork and exec the closure calls only prctl and getppid, which are
        // async-signal-safe.
        unsafe {
            command.pre_exec(move || die_with(parent));
        }
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {} ({})", spec.name, spec.program.display()))?;
        tracing::debug!(name = spec.name, pid = child.id(), "process started");
        Ok(Self {
            name: spec.name,
            log,
            child,
        })
    }

    /// An error with the end of its log when the process is no longer running.
    ///
    /// # Errors
    /// When it has exited, or cannot be asked.
    pub fn check(&mut self) -> Result<()> {
        match self
            .child
            .try_wait()
            .with_context(|| format!("cannot wait for {}", self.name))?
        {
            None => Ok(()),
            Some(status) => bail!("{}", self.obituary(status)),
        }
    }

    /// Its process id, until it has been waited for.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Stops it: SIGTERM, then SIGKILL at the deadline.
    pub async fn stop(mut self) {
        let Some(pid) = self.child.id() else { return };
        // The process is ours and not yet reaped, so the pid cannot belong to anybody else.
        let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGTERM);
        match tokio::time::timeout(STOP_DEADLINE, self.child.wait()).await {
            Ok(Ok(status)) => tracing::debug!(name = self.name, %status, "process stopped"),
            _ => {
                tracing::warn!(name = self.name, "did not stop in time and is killed");
                let _ = self.child.kill().await;
            }
        }
    }

    fn obituary(&self, status: ExitStatus) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n  ");
        format!(
            "{} ended early ({status}); the end of its log:\n  {tail}",
            self.name
        )
    }
}

/// The processes of a run in the order of their start.
#[derive(Debug, Default)]
pub struct Processes(Vec<Process>);

impl Processes {
    /// Adds a process that has just been started.
    pub fn push(&mut self, process: Process) {
        self.0.push(process);
    }

    /// An error about the first one that is no longer running.
    ///
    /// # Errors
    /// See [`Process::check`].
    pub fn check(&mut self) -> Result<()> {
        self.0.iter_mut().try_for_each(Process::check)
    }

    /// Process ids by name.
    pub fn pids(&self) -> impl Iterator<Item = (&'static str, u32)> + '_ {
        self.0
            .iter()
            .filter_map(|process| Some((process.name, process.pid()?)))
    }

    /// Stops all of them, the youngest first, because each may need the older ones to end well.
    pub async fn stop(&mut self) {
        while let Some(process) = self.0.pop() {
            process.stop().await;
        }
    }
}

/// Asks the kernel for SIGTERM when the parent dies; fails when it has died already.
pub(crate) fn die_with(parent: Pid) -> io::Result<()> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGTERM)?;
    if nix::unistd::getppid() != parent {
        return Err(io::Error::other("the parent died"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> ProcessSpec {
        ProcessSpec {
            name: "shell",
            program: "/bin/sh".into(),
            args: vec!["-c".into(), script.into()],
            env: Vec::new(),
        }
    }

    #[tokio::test]
    async fn an_early_exit_is_reported_with_the_end_of_the_log() {
        let logs = tempfile::tempdir().unwrap();
        let mut process = Process::start(shell("echo no such port; exit 3"), logs.path()).unwrap();
        process.child.wait().await.unwrap();
        let message = process.check().unwrap_err().to_string();
        assert!(
            message.contains("exit status: 3") && message.contains("no such port"),
            "{message}"
        );
    }

    #[tokio::test]
    async fn a_stopped_process_is_gone() {
        let logs = tempfile::tempdir().unwrap();
        let process = Process::start(shell("sleep 1000"), logs.path()).unwrap();
        let pid = Pid::from_raw(process.pid().unwrap().cast_signed());
        process.stop().await;
        assert_eq!(kill(pid, None), Err(nix::errno::Errno::ESRCH));
    }
}
