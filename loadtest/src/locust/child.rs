//! A child process with its own process group, which never outlives us.

use std::collections::VecDeque;
use std::io;
use std::process::{ExitStatus, Stdio};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, getpid, getppid};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};

/// A running program and everything that it starts.
#[derive(Debug)]
pub(super) struct OwnChild {
    child: Child,
}

impl OwnChild {
    /// Starts `command` in a process group of its own, so that Ctrl-C in a terminal reaches only us, with no input.
    ///
    /// The kernel kills it when the calling thread ends: call from a thread that lives as long as the program.
    pub(super) fn spawn(mut command: Command) -> io::Result<Self> {
        let parent = getpid();
        command
            .stdin(Stdio::null())
            .process_group(0)
            .kill_on_drop(true);
        // SAFETY: between fork and exec the closure calls only prctl and getppid, which are async-signal-safe.
        unsafe {
            command.pre_exec(move || {
                nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
                // The parent may have died before the line above, which would then wait for ever.
                if getppid() == parent {
                    Ok(())
                } else {
                    Err(io::Error::other("the parent died"))
                }
            });
        }
        Ok(Self {
            child: command.spawn()?,
        })
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    pub(super) fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    pub(super) fn take_stderr(&mut self) -> Option<ChildStderr> {
        self.child.stderr.take()
    }

    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Sends `signal` to the group, unless its leader has been waited for.
    pub(super) fn signal(&self, signal: Signal) {
        if let Some(pid) = self.child.id() {
            // Not reaped yet, so the number belongs to our child; it may be gone, which is what we want.
            let _ = killpg(Pid::from_raw(pid.cast_signed()), signal);
        }
    }
}

impl Drop for OwnChild {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
    }
}

/// The last lines of an output.
#[derive(Debug, Default)]
pub(super) struct Tail(VecDeque<String>);

impl Tail {
    /// Enough to hold an error message and its cause.
    const LINES: usize = 15;

    pub(super) fn push(&mut self, line: String) {
        if self.0.len() == Self::LINES {
            self.0.pop_front();
        }
        self.0.push_back(line);
    }

    /// The lines, indented, to stand below a message.
    pub(super) fn text(&self) -> String {
        if self.0.is_empty() {
            return "  (it said nothing)".into();
        }
        let lines: Vec<_> = self.0.iter().map(|line| format!("  {line}")).collect();
        lines.join("\n")
    }
}
