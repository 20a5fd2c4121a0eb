//! Blocks: compressed, checked pieces of a segment. Pure.

use std::fmt;
use std::io::{self, ErrorKind, Read};

use serde::Serialize;

/// Length of a block's header: payload, unpacked payload, checksum.
const HEADER_LENGTH: usize = 12;
/// No block is larger unpacked; a larger number is damage, and not to be allocated.
pub(super) const MAX_UNPACKED: usize = 64 << 20;
/// Fast; higher levels gain a tenth on samples.
const LEVEL: i32 = 1;

/// Why a segment cannot be read any further.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Damage {
    /// The segment.
    pub file: String,
    /// Bytes of it that are fine.
    pub intact_bytes: u64,
    /// What is wrong after them.
    pub kind: DamageKind,
}

/// What is wrong with a block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "problem", content = "detail")]
pub enum DamageKind {
    /// It ends in the middle, as after a crash or while it is being written.
    CutShort,
    /// Its bytes are not those that were written.
    Checksum,
    /// Its bytes are those that were written, and make no sense.
    Malformed(String),
    /// The file system fails.
    Unreadable(String),
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.file)?;
        match &self.kind {
            DamageKind::CutShort => write!(f, "the last block is cut short")?,
            DamageKind::Checksum => write!(f, "a block is damaged (wrong checksum)")?,
            DamageKind::Malformed(problem) => write!(f, "a block makes no sense ({problem})")?,
            DamageKind::Unreadable(problem) => write!(f, "cannot be read ({problem})")?,
        }
        write!(f, " after {} intact bytes", self.intact_bytes)
    }
}

/// A block with these contents, ready to be appended.
///
/// # Errors
/// When zstd has no memory.
pub(super) fn pack(raw: &[u8]) -> io::Result<Vec<u8>> {
    let payload = zstd::bulk::compress(raw, LEVEL)?;
    let too_large = |_| io::Error::new(ErrorKind::InvalidInput, "a block of more than 4 GiB");
    let mut block = Vec::with_capacity(HEADER_LENGTH + payload.len());
    for number in [payload.len(), raw.len()] {
        let number = u32::try_from(number).map_err(too_large)?;
        block.extend(number.to_le_bytes());
    }
    block.extend(crc32fast::hash(&payload).to_le_bytes());
    block.extend(payload);
    Ok(block)
}

/// The contents of the next block; `None` at the end of the file.
///
/// # Errors
/// [`DamageKind`]; what follows in this file cannot be trusted.
pub(super) fn unpack(file: &mut impl Read) -> Result<Option<(Vec<u8>, u64)>, DamageKind> {
    let mut header = [0; HEADER_LENGTH];
    match fill(file, &mut header)? {
        0 => return Ok(None),
        HEADER_LENGTH => {}
        _ => return Err(DamageKind::CutShort),
    }
    let word = |at: usize| {
        u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    let (length, unpacked, checksum) = (word(0) as usize, word(4) as usize, word(8));
    if unpacked > MAX_UNPACKED || length > MAX_UNPACKED {
        let problem = format!("{length} bytes, {unpacked} unpacked");
        return Err(DamageKind::Malformed(problem));
    }
    let mut payload = vec![0; length];
    if fill(file, &mut payload)? != length {
        return Err(DamageKind::CutShort);
    }
    if crc32fast::hash(&payload) != checksum {
        return Err(DamageKind::Checksum);
    }
    let raw = zstd::bulk::decompress(&payload, unpacked)
        .map_err(|error| DamageKind::Malformed(error.to_string()))?;
    if raw.len() != unpacked {
        let problem = format!("{} bytes instead of {unpacked}", raw.len());
        return Err(DamageKind::Malformed(problem));
    }
    Ok(Some((raw, (HEADER_LENGTH + length) as u64)))
}

/// Reads until `buffer` is full or the file ends; returns how much that was.
fn fill(file: &mut impl Read, buffer: &mut [u8]) -> Result<usize, DamageKind> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(DamageKind::Unreadable(error.to_string())),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Everything up to the damage, and the damage.
    fn read(mut file: &[u8]) -> (Vec<Vec<u8>>, Option<DamageKind>) {
        let mut blocks = Vec::new();
        loop {
            match unpack(&mut file) {
                Ok(Some((raw, _))) => blocks.push(raw),
                Ok(None) => return (blocks, None),
                Err(damage) => return (blocks, Some(damage)),
            }
        }
    }

    proptest! {
        #[test]
        fn blocks_read_back(contents in prop::collection::vec(any::<Vec<u8>>(), 0..5)) {
            let file: Vec<u8> = contents.iter().flat_map(|raw| pack(raw).unwrap()).collect();
            prop_assert_eq!(read(&file), (contents, None));
        }

        /// Cut anywhere, exactly the whole blocks before the cut are read.
        #[test]
        fn a_cut_file_is_read_up_to_the_cut(
            contents in prop::collection::vec(any::<Vec<u8>>(), 1..5), cut: prop::sample::Index,
        ) {
            let blocks: Vec<Vec<u8>> = contents.iter().map(|raw| pack(raw).unwrap()).collect();
            let file = blocks.concat();
            let cut = cut.index(file.len());
            let mut end = 0;
            let ends: Vec<usize> = blocks.iter().map(|block| { end += block.len(); end }).collect();
            let whole = ends.iter().filter(|end| **end <= cut).count();
            let clean = cut == 0 || ends.contains(&cut);
            let (read, damage) = read(&file[..cut]);
            prop_assert_eq!(&read[..], &contents[..whole]);
            prop_assert_eq!(damage, (!clean).then_some(DamageKind::CutShort));
        }

        /// No flipped bit goes unnoticed, save in the length of what follows, which is noticed as something else.
        #[test]
        fn a_flipped_bit_is_noticed(
            raw in prop::collection::vec(any::<u8>(), 1..200), at: prop::sample::Index, bit in 0u8..8,
        ) {
            let mut file = pack(&raw).unwrap();
            let at = at.index(file.len());
            file[at] ^= 1 << bit;
            let (blocks, damage) = read(&file);
            prop_assert!(damage.is_some() && blocks.is_empty(), "{at}: {damage:?}");
        }

        #[test]
        fn garbage_never_panics(file: Vec<u8>) {
            read(&file);
        }
    }
}
