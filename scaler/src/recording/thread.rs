//! The thread that writes: disks stall, and nobody else shall.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Receiver;

use tracing::{info, warn};

use super::writer::{Block, Writer, Written};
use crate::metrics;

/// Between the controller and the thread.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// The segment is full: the next one needs a start.
    pub(super) segment_full: AtomicBool,
    /// A block is missing: what follows is of no use before a start.
    pub(super) broken: AtomicBool,
    /// Blocks lost since the last start.
    pub(super) lost: AtomicU64,
}

impl Shared {
    pub(super) fn lose_one(&self) {
        self.lost.fetch_add(1, Ordering::AcqRel);
        self.broken.store(true, Ordering::Release);
    }
}

/// Writes until every sender is gone. A disk that fails is tried again with the next start, for as
/// long as it takes: scaling goes on without it.
pub(super) fn write_all(mut writer: Writer, blocks: &Receiver<Block>, shared: &Shared) {
    let mut failing = false;
    while let Ok(block) = blocks.recv() {
        match writer.write(&block) {
            Ok(Written::Yes { bytes, wants_start }) => {
                if std::mem::take(&mut failing) {
                    info!("recording goes on");
                }
                metrics::recording_block("written");
                metrics::recorded(bytes);
                if wants_start {
                    shared.segment_full.store(true, Ordering::Release);
                }
            }
            // Whatever it needs was lost before, which has been told.
            Ok(Written::Unusable) => {
                metrics::recording_block("dropped");
                shared.lost.fetch_add(1, Ordering::AcqRel);
            }
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    warn!(%error, "cannot record; scaling goes on, and so do attempts");
                }
                metrics::recording_block("failed");
                shared.lose_one();
            }
        }
    }
    writer.close();
}
