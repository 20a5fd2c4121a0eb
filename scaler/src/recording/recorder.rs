//! The controller's side of a recording: encodes, hands blocks over, never waits.

use std::fs::{self, File, TryLockError};
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use scaler_core::windows::Capacity;
use scaler_core::{
    ContainerSample, Decision, Memory, NodeSample, Observation, PodUid, ScalingPolicy, Timestamp,
};
use tracing::info;

use super::encode::Encoder;
use super::entry::Start;
use super::error::RecordError;
use super::thread::{Shared, write_all};
use super::writer::{Block, Writer};
use crate::clock::Clock;
use crate::metrics;
use crate::workloads::DeploymentKey;

/// A block is handed over when it is this large,
const BLOCK_BYTES: usize = 256 * 1024;
/// or this old: a crash costs no more.
const BLOCK_AGE: Duration = Duration::from_secs(1);
/// Blocks waiting for the disk, 16 MiB; when full, a further one is dropped and counted.
const QUEUE: usize = 64;
/// Starts are not cheaper than what they begin, so there is at most one in this time; when something
/// was lost, nothing is encoded until the next.
const START_SPACING: Duration = Duration::from_secs(5);
/// One scaler at a time writes into a directory.
const LOCK_FILE: &str = "lock";

/// Takes down what the controller sees and decides; or nothing, when nothing is to be recorded.
#[derive(Debug, Default)]
pub struct Recorder(Option<Recording>);

#[derive(Debug)]
struct Recording {
    clock: Clock,
    encoder: Encoder,
    /// When the block was begun.
    begun_at: Timestamp,
    /// When the last start was made.
    started_at: Timestamp,
    /// The block begins with a start.
    starts: bool,
    starts_made: u64,
    session: u64,
    /// `None` once closed.
    blocks: Option<SyncSender<Block>>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Recorder {
    /// Records nothing.
    #[must_use]
    pub fn off() -> Self {
        Recorder(None)
    }

    /// Records into `directory`, which is made if need be, in at most about `max_bytes`.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub fn start(directory: &Path, max_bytes: u64, clock: Clock) -> Result<Self, RecordError> {
        let failed = |source| RecordError::Directory {
            path: directory.to_owned(),
            source,
        };
        fs::create_dir_all(directory).map_err(failed)?;
        let lock = File::create(directory.join(LOCK_FILE)).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let path = directory.to_owned();
                return Err(RecordError::InUse { path });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let writer = Writer::new(directory, max_bytes).map_err(failed)?;
        let shared = Arc::new(Shared::default());
        let (blocks, waiting) = sync_channel(QUEUE);
        let for_thread = shared.clone();
        let thread = thread::Builder::new()
            .name("recording".to_owned())
            .spawn(move || {
                write_all(writer, &waiting, &for_thread);
                // Released here, when nothing is written any more.
                drop(lock);
            })
            .map_err(failed)?;
        info!(directory = %directory.display(), max_bytes, "recording");
        let recording = Recording {
            clock,
            encoder: Encoder::default(),
            begun_at: clock.now(),
            started_at: clock.now(),
            starts: false,
            starts_made: 0,
            session: session(),
            blocks: Some(blocks),
            shared,
            thread: Some(thread),
        };
        Ok(Recorder(Some(recording)))
    }

    /// Whoever records begins to decide, and remembers nothing. Comes before everything else, and
    /// again in each term of a leader.
    pub fn begin(&mut self) {
        if let Some(recording) = &mut self.0 {
            recording.hand_over();
            // It answers whatever a start is wanted for.
            recording.wants_start();
            recording.encoder.forget();
            recording.make_start(true);
        }
    }

    /// Nothing is decided any more, until it begins again; hands over what there is.
    pub fn end(&mut self) {
        if let Some(recording) = &mut self.0 {
            recording.hand_over();
        }
    }

    /// Whether anything is recorded: what is costly to prepare need not be otherwise.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// `policy` is in force. Repeating it costs nothing.
    pub fn policy(&mut self, target: &DeploymentKey, policy: &Arc<ScalingPolicy>) {
        self.state(|encoder| encoder.policy(target, policy));
    }

    /// `target` has no policy any more.
    pub fn policy_gone(&mut self, target: &DeploymentKey) {
        self.state(|encoder| encoder.policy_gone(target));
    }

    /// Samples of nodes are kept for `window` from now on. Repeating it costs nothing.
    pub fn node_window(&mut self, window: Duration) {
        self.state(|encoder| encoder.node_window(window));
    }

    /// A sample went into the windows.
    pub fn node(&mut self, node: &str, sample: &NodeSample) {
        self.put(|encoder, _| encoder.node(node, sample));
    }

    /// A sample went into the windows, to be looked at over `window`.
    pub fn container(
        &mut self,
        pod: &PodUid,
        container: &str,
        window: Duration,
        sample: &ContainerSample,
    ) {
        self.put(|encoder, _| encoder.container(pod.as_str(), container, window, sample));
    }

    /// The windows were pruned at `at`.
    pub fn pruned(&mut self, at: Timestamp) {
        self.put(|encoder, _| encoder.pruned(at));
    }

    /// A decision was made at `at`.
    pub fn decision(
        &mut self,
        target: &DeploymentKey,
        at: Timestamp,
        observation: &Observation<'_>,
        decision: &Decision,
    ) {
        self.put(|encoder, _| encoder.decision(target, at, observation, decision));
    }

    /// The autoscaler was told at `at` that its change was written.
    pub fn scaled(&mut self, target: &DeploymentKey, from: u32, to: u32, at: Timestamp) {
        self.put(|encoder, _| encoder.scaled(target, from, to, at));
    }

    /// What the autoscaler of `target` remembers now, right after the windows were pruned.
    pub fn memory(&mut self, target: &DeploymentKey, memory: &Memory) {
        self.put(|encoder, now| encoder.memory(target, now, memory));
    }

    /// Hands over what there is and waits until it is in the file.
    pub fn close(&mut self) {
        if let Some(recording) = &mut self.0 {
            recording.hand_over();
            recording.blocks = None;
            if let Some(thread) = recording.thread.take() {
                // It does not panic; and if it did, there is nothing left to save.
                let _ = thread.join();
            }
        }
        self.0 = None;
    }

    /// Writes what is repeated after each start, which must therefore be remembered even while
    /// nothing can be written.
    fn state(&mut self, write: impl Fn(&mut Encoder)) {
        let mut written = false;
        self.put(|encoder, _| {
            write(encoder);
            written = true;
        });
        if let (false, Some(recording)) = (written, &mut self.0) {
            write(&mut recording.encoder);
            // It goes with the rest that was lost.
            recording.encoder.take();
        }
    }

    fn put(&mut self, write: impl FnOnce(&mut Encoder, Timestamp)) {
        let Some(recording) = &mut self.0 else {
            return;
        };
        let now = recording.clock.now();
        if now.since(recording.started_at) >= START_SPACING {
            if recording.wants_start() {
                recording.hand_over();
                recording.make_start(false);
            }
        } else if recording.shared.broken.load(Ordering::Acquire) {
            return;
        }
        if recording.encoder.len() == 0 {
            recording.begun_at = now;
        }
        write(&mut recording.encoder, now);
        let full = recording.encoder.len() >= BLOCK_BYTES;
        if full || now.since(recording.begun_at) >= BLOCK_AGE {
            recording.hand_over();
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.close();
    }
}

impl Recording {
    /// Whether a start is due; asking answers it.
    fn wants_start(&self) -> bool {
        let full = self.shared.segment_full.swap(false, Ordering::AcqRel);
        let broken = self.shared.broken.swap(false, Ordering::AcqRel);
        full || broken || self.encoder.is_full()
    }

    fn make_start(&mut self, begins: bool) {
        let start = Start {
            scaler_version: env!("CARGO_PKG_VERSION").to_owned(),
            at: self.clock.now(),
            wall_ms: self.clock.wall().as_millisecond(),
            retention: Capacity::default().retention,
            begins,
            lost_blocks: self.shared.lost.swap(0, Ordering::AcqRel),
            session: self.session,
            number: self.starts_made,
        };
        self.starts_made += 1;
        self.starts = true;
        self.begun_at = start.at;
        self.started_at = start.at;
        self.encoder.start(&start);
    }

    fn hand_over(&mut self) {
        let raw = self.encoder.take();
        if raw.is_empty() {
            return;
        }
        let starts = std::mem::take(&mut self.starts);
        let Some(blocks) = &self.blocks else {
            return;
        };
        if blocks.try_send(Block { raw, starts }).is_err() {
            metrics::recording_block("dropped");
            self.shared.lose_one();
        }
    }
}

/// Another number for each process.
fn session() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

#[cfg(test)]
#[path = "recorder_tests.rs"]
mod tests;
