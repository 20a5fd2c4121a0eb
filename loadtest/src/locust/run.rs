//! One run of Locust: started, listened to, stopped.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::ChildStdout;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::task::JoinHandle;

use super::child::{OwnChild, Tail};
use super::{Event, LOCUSTFILE, LoadPlan, Locust, LocustError, Totals};

/// Events that wait for their reader: minutes of the demo's load. When it is full, requests are left out and counted.
const QUEUE: usize = 8192;

/// Places of the queue that requests may not take: stages and ends are few and are never left out.
const RESERVED: usize = 256;

/// How long Locust may take to end after SIGTERM.
const STOP_DEADLINE: Duration = Duration::from_secs(5);

/// A running Locust. Dropping it kills it.
#[derive(Debug)]
pub struct Run {
    child: OwnChild,
    events: mpsc::Receiver<Event>,
    totals: Arc<Mutex<Totals>>,
    reader: JoinHandle<()>,
    log: PathBuf,
}

impl Locust {
    /// Starts to drive `plan`.
    ///
    /// Writes into `out_dir`, which must exist: `locustfile.py`, `locust.log`, and `locust-events.jsonl` with every
    /// event as it came, whole up to the last moment even if this process is killed; with [`LoadPlan::csv`] also
    /// Locust's own statistics, `locust_stats.csv`, `locust_stats_history.csv` and `locust_failures.csv`.
    ///
    /// Call from a thread that lives as long as the run: the kernel kills Locust when that thread ends.
    ///
    /// # Errors
    /// When the plan is senseless, a file cannot be written, or Locust cannot be started.
    pub fn start(&self, plan: &LoadPlan, out_dir: &Path) -> Result<Run, LocustError> {
        plan.check()?;
        // Locust runs in that directory: a relative path would mean another one there.
        let out_dir = fs::canonicalize(out_dir).map_err(LocustError::file("find", out_dir))?;
        let locustfile = out_dir.join("locustfile.py");
        fs::write(&locustfile, LOCUSTFILE).map_err(LocustError::file("write", &locustfile))?;
        let log = out_dir.join("locust.log");
        let log_file = File::create(&log).map_err(LocustError::file("create", &log))?;
        let record = out_dir.join("locust-events.jsonl");
        let record = File::create(&record).map_err(LocustError::file("create", &record))?;

        let mut command = self.command(&out_dir);
        command
            .args([
                "--headless",
                "--only-summary",
                "--stop-timeout",
                "0",
                "--exit-code-on-error",
                "0",
            ])
            .args(["--host", &plan.host, "--locustfile"])
            .arg(&locustfile)
            .args(
                plan.csv
                    .then_some(["--csv", "locust", "--csv-full-history"])
                    .into_iter()
                    .flatten(),
            )
            .envs(plan.environment())
            .stdout(Stdio::piped())
            .stderr(log_file);
        let spawn = |source| LocustError::Spawn {
            program: self.python().into(),
            source,
        };
        let mut child = OwnChild::spawn(command).map_err(spawn)?;
        let (sender, events) = mpsc::channel(QUEUE);
        let totals = Arc::default();
        let listener = Listener {
            sender,
            totals: Arc::clone(&totals),
            record,
        };
        let reader = tokio::spawn(listener.listen(child.take_stdout()));
        Ok(Run {
            child,
            events,
            totals,
            reader,
            log,
        })
    }
}

impl Run {
    /// The next event; `None` once Locust has ended. Cancel safe.
    pub async fn next_event(&mut self) -> Option<Event> {
        self.events.recv().await
    }

    /// Counts so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        lock(&self.totals).clone()
    }

    /// Locust's process id while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.pid()
    }

    /// Ends Locust if it still runs (SIGTERM, and SIGKILL after five seconds) and returns the counts of the run.
    ///
    /// # Errors
    /// When Locust had ended by itself without success.
    pub async fn stop(mut self) -> Result<Totals, LocustError> {
        // The listener drops its end of the queue at the end of Locust's output, which ends when Locust does.
        let by_itself = self.events.is_closed();
        if !by_itself {
            self.child.signal(Signal::SIGTERM);
        }
        let status = match tokio::time::timeout(STOP_DEADLINE, self.child.wait()).await {
            Ok(status) => status,
            Err(_) => {
                tracing::warn!("locust did not end in time and is killed");
                self.child.signal(Signal::SIGKILL);
                self.child.wait().await
            }
        };
        let status = status.map_err(LocustError::file(
            "wait for Locust, whose log is",
            &self.log,
        ))?;
        if by_itself && !status.success() {
            return Err(self.failed(status));
        }
        // The last lines may still be in the pipe. A panic of the listener leaves the counts as they were.
        let _ = (&mut self.reader).await;
        Ok(self.totals())
    }

    fn failed(&self, status: ExitStatus) -> LocustError {
        let mut tail = Tail::default();
        let log = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&log)
            .lines()
            .for_each(|line| tail.push(line.to_owned()));
        LocustError::Failed {
            status,
            log: self.log.clone(),
            tail: tail.text(),
        }
    }
}

/// Counts are valid after every event, so a panic elsewhere cannot spoil them.
fn lock(totals: &Mutex<Totals>) -> MutexGuard<'_, Totals> {
    totals.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads Locust's output, for it would stand still on a full pipe.
struct Listener {
    sender: mpsc::Sender<Event>,
    totals: Arc<Mutex<Totals>>,
    record: File,
}

impl Listener {
    async fn listen(mut self, output: Option<ChildStdout>) {
        let Some(output) = output else { return };
        let mut lines = BufReader::new(output).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            // One short write to the page cache, a few microseconds. A full disk must not end the run.
            if let Err(error) = writeln!(self.record, "{line}") {
                tracing::warn!(%error, "cannot record an event");
            }
            match Event::parse(&line) {
                Ok(event) => self.pass_on(event),
                Err(error) => tracing::warn!(%error, line, "locust wrote a line that is no event"),
            }
        }
    }

    fn pass_on(&self, event: Event) {
        lock(&self.totals).add(&event);
        let request = matches!(event, Event::Request(_));
        let skipped = if request && self.sender.capacity() < RESERVED {
            true
        } else {
            // A receiver that is gone wants no more events; the file and the counts go on.
            matches!(self.sender.try_send(event), Err(TrySendError::Full(_)))
        };
        if skipped {
            lock(&self.totals).skipped += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listener() -> (Listener, mpsc::Receiver<Event>) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let record = tempfile::tempfile().unwrap();
        (
            Listener {
                sender,
                totals: Arc::default(),
                record,
            },
            receiver,
        )
    }

    fn event(line: &str) -> Event {
        Event::parse(line).unwrap()
    }

    #[test]
    fn a_slow_reader_loses_requests_and_never_a_stage() {
        let (listener, mut receiver) = listener();
        let request = event(
            r#"{"type":"request","at":1,"route":"GET /","status":200,"ms":1,"ok":true,"error":null}"#,
        );
        for _ in 0..2 * QUEUE {
            listener.pass_on(request.clone());
        }
        let stage = event(r#"{"type":"stage","at":2,"index":1,"users":26}"#);
        listener.pass_on(stage.clone());

        let totals = lock(&listener.totals).clone();
        assert_eq!(totals.requests, 2 * QUEUE as u64);
        let mut received = Vec::new();
        while let Ok(event) = receiver.try_recv() {
            received.push(event);
        }
        assert_eq!(received.len() as u64 - 1 + totals.skipped, totals.requests);
        assert_eq!(received.last(), Some(&stage));
    }

    #[test]
    fn without_a_reader_the_counts_go_on() {
        let (listener, receiver) = listener();
        drop(receiver);
        listener.pass_on(event(
            r#"{"type":"end","at":2,"complete":true,"requests":0,"failures":0}"#,
        ));
        assert!(lock(&listener.totals).complete);
    }
}
