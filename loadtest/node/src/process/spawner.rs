//! Starting processes from one thread that lives as long as the node.
//!
//! `PR_SET_PDEATHSIG` fires when the parent *thread* ends, not the parent process: a process started
//! from a worker thread of the async runtime would die with that thread. So one thread starts all.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, PipeWriter};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Stdio;

use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::{Pid, getpid, getppid, setsid, write};
use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

/// Starts that may wait for the thread; further callers wait their turn.
const QUEUE: usize = 64;

/// Where a process' stdout and stderr go.
#[derive(Debug)]
pub(crate) enum Output {
    /// Both into one pipe, so that their order survives.
    Pipe(PipeWriter),
    /// Nowhere.
    Discard,
}

/// A process to start.
#[derive(Debug)]
pub(crate) struct Launch {
    /// Path, or a name searched in the `PATH` of `environment`.
    pub program: String,
    /// Arguments without the program's name.
    pub arguments: Vec<String>,
    /// The whole environment; nothing is inherited.
    pub environment: BTreeMap<String, String>,
    /// Where it starts; the node's own directory if `None`.
    pub working_directory: Option<String>,
    /// Open `cgroup.procs` files; the process is inside all of them before it runs the program.
    pub entrances: Vec<File>,
    /// Where output goes.
    pub output: Output,
}

/// Why a process was not started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpawnError {
    /// The directory to start in does not exist.
    #[error("working directory {0:?} does not exist or is not a directory")]
    WorkingDirectory(String),
    /// The system refused, most often because the program does not exist.
    #[error("cannot run {program:?}: {source}")]
    Exec {
        /// What was to be run.
        program: String,
        /// The system's reason.
        source: io::Error,
    },
    /// The node is shutting down, or its thread could not be started.
    #[error("the thread that starts processes has ended")]
    Gone,
}

/// A handle to the starting thread, which ends when the last handle is dropped. All processes it
/// started are killed by the kernel then.
#[derive(Debug, Clone)]
pub(crate) struct Spawner {
    requests: mpsc::Sender<Request>,
}

#[derive(Debug)]
struct Request {
    launch: Launch,
    reply: oneshot::Sender<Result<Child, SpawnError>>,
}

impl Spawner {
    /// Starts the thread. Must be called inside a tokio runtime, which later reports exits.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub(crate) fn start() -> io::Result<Self> {
        let (requests, mut queue) = mpsc::channel::<Request>(QUEUE);
        let runtime = Handle::current();
        std::thread::Builder::new()
            .name("pod-spawner".to_owned())
            .spawn(move || {
                while let Some(Request { launch, reply }) = queue.blocking_recv() {
                    let result = {
                        let _runtime = runtime.enter();
                        spawn(launch)
                    };
                    // A caller that went away drops the child, which kills it.
                    let _ = reply.send(result);
                }
            })?;
        Ok(Self { requests })
    }

    /// Starts one process. It leads its own session and process group, is killed when the node dies
    /// and when the returned handle is dropped.
    ///
    /// # Errors
    /// When the working directory or the program cannot be used.
    pub(crate) async fn spawn(&self, launch: Launch) -> Result<Child, SpawnError> {
        let (reply, answer) = oneshot::channel();
        self.requests
            .send(Request { launch, reply })
            .await
            .map_err(|_| SpawnError::Gone)?;
        answer.await.map_err(|_| SpawnError::Gone)?
    }
}

fn spawn(launch: Launch) -> Result<Child, SpawnError> {
    let Launch {
        program,
        arguments,
        environment,
        working_directory,
        entrances,
        output,
    } = launch;
    let mut command = Command::new(&program);
    command
        .args(arguments)
        .env_clear()
        .envs(environment)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    if let Some(directory) = working_directory {
        // Checked here: the system's error would not tell it from a missing program.
        if !Path::new(&directory).is_dir() {
            return Err(SpawnError::WorkingDirectory(directory));
        }
        command.current_dir(directory);
    }
    let failed = |source| SpawnError::Exec {
        program: program.clone(),
        source,
    };
    match output {
        Output::Pipe(writer) => {
            command
                .stdout(writer.try_clone().map_err(failed)?)
                .stderr(writer);
        }
        Output::Discard => {
            command.stdout(Stdio::null()).stderr(Stdio::null());
        }
    }
    let node = getpid();
    // SAFETY: the closure runs between fork and exec, where only async-signal-safe calls are allowed:
    // `enter` makes system calls and allocates nothing. What it captured was allocated before.
    unsafe {
        command.pre_exec(move || enter(&entrances, node));
    }
    command.spawn().map_err(failed)
}

/// In the new process: own session, into the cgroups, die with the node.
fn enter(entrances: &[File], node: Pid) -> io::Result<()> {
    setsid()?;
    for entrance in entrances {
        // "0" stands for the writer, so no number has to be formatted here.
        write(entrance.as_fd(), b"0")?;
    }
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    // A node that died before the call above sends no signal any more.
    if getppid() != node {
        return Err(io::Error::from(nix::errno::Errno::ESRCH));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn launch(words: &[&str]) -> Launch {
        Launch {
            program: words[0].to_owned(),
            arguments: words[1..].iter().map(|word| (*word).to_owned()).collect(),
            environment: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]),
            working_directory: None,
            entrances: Vec::new(),
            output: Output::Discard,
        }
    }

    #[tokio::test]
    async fn reports_exit_codes_and_own_session() {
        let spawner = Spawner::start().unwrap();
        let mut child = spawner
            .spawn(launch(&["sh", "-c", "exit 7"]))
            .await
            .unwrap();
        assert_eq!(child.wait().await.unwrap().code(), Some(7));

        let child = spawner.spawn(launch(&["sleep", "60"])).await.unwrap();
        let pid = Pid::from_raw(child.id().unwrap().try_into().unwrap());
        assert_eq!(nix::unistd::getsid(Some(pid)).unwrap(), pid);
    }

    #[tokio::test]
    async fn output_of_both_streams_arrives_in_order() {
        let spawner = Spawner::start().unwrap();
        let (mut reader, writer) = super::super::pipe().unwrap();
        let output = Output::Pipe(writer);
        let script = launch(&["sh", "-c", "echo one; echo two >&2; echo three"]);
        let mut child = spawner.spawn(Launch { output, ..script }).await.unwrap();
        let mut text = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut reader, &mut text)
            .await
            .unwrap();
        assert_eq!(text, "one\ntwo\nthree\n");
        child.wait().await.unwrap();
    }

    #[tokio::test]
    async fn names_what_is_missing() {
        let spawner = Spawner::start().unwrap();
        let error = spawner
            .spawn(launch(&["/no/such/program"]))
            .await
            .unwrap_err();
        assert!(error.to_string().contains("/no/such/program"), "{error}");
        let directory = Some("/no/such/dir".to_owned());
        let nowhere = Launch {
            working_directory: directory,
            ..launch(&["true"])
        };
        let error = spawner.spawn(nowhere).await.unwrap_err();
        assert!(matches!(error, SpawnError::WorkingDirectory(_)), "{error}");
    }

    /// The guard against tying processes to short-lived threads: the process outlives the runtime
    /// thread that asked for it, and dies with the spawner.
    #[tokio::test]
    async fn processes_die_with_the_spawner_and_not_before() {
        let spawner = Spawner::start().unwrap();
        let asked_elsewhere = {
            let spawner = spawner.clone();
            let handle = Handle::current();
            std::thread::spawn(move || handle.block_on(spawner.spawn(launch(&["sleep", "60"]))))
        };
        let mut child = tokio::task::spawn_blocking(|| asked_elsewhere.join().unwrap())
            .await
            .unwrap()
            .unwrap();
        let early = tokio::time::timeout(Duration::from_millis(200), child.wait()).await;
        assert!(
            early.is_err(),
            "the process died with the thread that asked for it"
        );
        drop(spawner);
        let status = tokio::time::timeout(Duration::from_secs(10), child.wait()).await;
        let status = status.expect("the process survives its spawner").unwrap();
        assert_eq!(
            std::os::unix::process::ExitStatusExt::signal(&status),
            Some(9)
        );
    }
}
