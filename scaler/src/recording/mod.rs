//! Recordings: everything that decisions were made from, and the decisions, in bounded files.
//!
//! ```text
//! controller ─▶ Recorder: encode ─▶ block of ≤ 1 s ─▶ bounded queue ─▶ thread: zstd, CRC, append
//!                                                                          │ segments 0000000001.vsr ...
//!                       replay, explain ◀─ Entry ◀─ Decoder ◀─ Recording ◀─┘ the oldest is deleted
//! ```
//!
//! The format is told in `proto/viperscale/v1/recording.proto`. Why it is what it is:
//!
//! - **Protobuf in zstd, not JSON lines.** A decision must be reproducible to the last bit, and a
//!   decimal float is so only with care (and an infinite one not at all); a sample takes 150 to 200
//!   bytes instead of 500, and a third of the CPU time, which counts with 150,000 pods at 1 Hz. The
//!   schema is that of the agents' reports, which already is in the tree, and tells unknown fields
//!   apart, so that a newer scaler reads older recordings. `scaler explain --recording` and
//!   `scaler replay --json` give text to whoever wants text. The decisions themselves are JSON, the
//!   same bytes as in `/decisions`: equal bytes are equal decisions.
//! - **Blocks of their own with a checksum.** One `write` each and nothing rewritten: a crash costs
//!   the last second. Damage is told from the end of the file, and ends the reading of that segment.
//! - **Segments that stand for themselves.** Names, policies and pods are stated anew at the start
//!   of each, so that the oldest can be deleted. What an autoscaler remembers is noted every few
//!   minutes; with the samples of one retention before it, every later decision follows exactly.
//!
//! The controller only encodes, and never waits: when the queue is full, a block is dropped and
//! counted, and the recording says that something is missing.

mod block;
mod decode;
mod encode;
mod entry;
mod error;
mod reader;
mod recorder;
#[cfg(test)]
mod tests;
mod thread;
mod wire_core;
mod writer;

pub use block::{Damage, DamageKind};
pub use entry::{Entry, RecordedDecision, RecordedPod, Start};
pub use error::RecordError;
pub use reader::{OpenError, Recording};
pub use recorder::Recorder;

/// The first line of every segment; the number is the version of the format.
const HEADER: &[u8] = b"viperscale-recording 1\n";
/// What every version's first line begins with.
const HEADER_START: &[u8] = b"viperscale-recording ";
/// Segments end in this.
const EXTENSION: &str = "vsr";
