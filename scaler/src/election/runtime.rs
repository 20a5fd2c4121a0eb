//! Where an election runs: on a thread of its own.
//!
//! A leader with 5,000 agents has thousands of tasks ready at times. Behind them a renewal would come
//! too late, the lease would go to a standby, and all agents would be told anew: a scaler that has
//! much to do would make itself more. A thread that sleeps most of the time gets a CPU at once.
//!
//! The price is that a process whose controller hangs could renew for ever. So the controller leaves
//! a [`Pulse`], and an election without one ends; see [`super::Election::run`].

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use kube::Client;
use scaler_core::Timestamp;
use thiserror::Error;
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Election;
use crate::cluster::{self, ClusterError};

/// Where an election runs.
#[derive(Debug, Clone)]
pub enum Runtime {
    /// On a thread of its own, with a connection of its own to the cluster of this kubeconfig.
    Own {
        /// As for [`cluster::connect`].
        kubeconfig: Option<PathBuf>,
    },
    /// As a task of the runtime, with the client that is there: for tests that own the time.
    Shared,
}

/// Why an election cannot begin.
#[derive(Debug, Error)]
pub enum RuntimeError {
    /// The system gives no thread, or no event queue for it.
    #[error(
        "cannot start the thread of leader election: {0}; is a limit of processes or open files reached?"
    )]
    Thread(#[from] io::Error),
    /// The cluster that was connected to a moment ago cannot be any more.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}

/// An election under way. Dropping it ends it, and leadership with it, without handing the Lease back.
#[derive(Debug)]
pub struct UnderWay {
    running: Running,
}

#[derive(Debug)]
enum Running {
    Thread {
        ended: oneshot::Receiver<()>,
        _abort: DropGuard,
    },
    Task(JoinHandle<()>),
}

impl Runtime {
    /// Starts `election`, to run until `give_up`.
    ///
    /// # Errors
    /// When there is no thread for it, or no way to the cluster from there.
    pub async fn start(
        self,
        election: Election,
        client: Client,
        give_up: CancellationToken,
    ) -> Result<UnderWay, RuntimeError> {
        let running = match self {
            Runtime::Shared => Running::Task(tokio::spawn(election.run(client, give_up))),
            Runtime::Own { kubeconfig } => {
                let abort = CancellationToken::new();
                let (started, has_started) = oneshot::channel();
                let (end, ended) = oneshot::channel();
                let aborted = abort.clone();
                thread::Builder::new()
                    .name("election".to_owned())
                    .spawn(move || {
                        let stop = [give_up, aborted];
                        run_on_this_thread(kubeconfig, election, stop, started);
                        // Whoever waits for it may have gone.
                        let _ = end.send(());
                    })?;
                // A thread that ends without a word has panicked, and said so.
                has_started
                    .await
                    .unwrap_or_else(|_| Err(io::Error::other("it panicked").into()))?;
                Running::Thread {
                    ended,
                    _abort: abort.drop_guard(),
                }
            }
        };
        Ok(UnderWay { running })
    }
}

fn run_on_this_thread(
    kubeconfig: Option<PathBuf>,
    election: Election,
    [give_up, aborted]: [CancellationToken; 2],
    started: oneshot::Sender<Result<(), RuntimeError>>,
) {
    // Whoever started it may have gone; then `aborted` tells.
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return drop(started.send(Err(error.into()))),
    };
    runtime.block_on(async {
        // A client's connections live in the runtime that it was made in.
        let client = match cluster::client(kubeconfig.as_deref()).await {
            Ok(client) => client,
            Err(error) => return drop(started.send(Err(error.into()))),
        };
        drop(started.send(Ok(())));
        tokio::select! {
            biased;
            () = aborted.cancelled() => {}
            () = election.run(client, give_up) => {}
        }
    });
}

impl UnderWay {
    /// Waits for its end.
    pub async fn ended(&mut self) {
        match &mut self.running {
            Running::Thread { ended, .. } => drop(ended.await),
            Running::Task(task) => drop(task.await),
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if let Running::Task(task) = &self.running {
            task.abort();
        }
    }
}

/// When the controller last showed that it works. The controller writes it, the election reads it.
#[derive(Debug, Clone)]
pub struct Pulse {
    beat_at_ns: Arc<AtomicU64>,
    now: fn() -> Timestamp,
}

impl Pulse {
    /// Without a beat so far; `now` is the election's clock.
    #[must_use]
    pub fn new(now: fn() -> Timestamp) -> Self {
        Pulse {
            beat_at_ns: Arc::default(),
            now,
        }
    }

    /// It works now.
    pub fn beat(&self) {
        let now = (self.now)().since_start().as_nanos();
        let now = u64::try_from(now).unwrap_or(u64::MAX);
        self.beat_at_ns.store(now, Ordering::Relaxed);
    }

    /// When it last did; the clock's start when never.
    pub(super) fn last(&self) -> Timestamp {
        Timestamp::new(Duration::from_nanos(
            self.beat_at_ns.load(Ordering::Relaxed),
        ))
    }
}
