//! Numbers that are mostly small, in few bytes.

/// Bits of a length: a number has zero to eight bytes.
const NIBBLE: u32 = 4;

/// Bytes that `N` lengths take.
const fn lengths(count: usize) -> usize {
    count.div_ceil(2)
}

/// Appends `numbers`, at most 16 of them: first the lengths of all, then their bytes.
pub(super) fn pack<const N: usize>(numbers: [u64; N], out: &mut Vec<u8>) {
    let length = |number: u64| 8 - number.leading_zeros() / 8;
    let all = numbers.iter().rev().fold(0, |all: u64, number| {
        all << NIBBLE | u64::from(length(*number))
    });
    out.extend_from_slice(&all.to_le_bytes()[..lengths(N)]);
    for number in numbers {
        out.extend_from_slice(&number.to_le_bytes()[..length(number) as usize]);
    }
}

/// The numbers at the front, and what follows them; `None` if there are not as many.
pub(super) fn unpack<const N: usize>(bytes: &[u8]) -> Option<([u64; N], &[u8])> {
    let (mut all, mut rest) = split_lengths::<N>(bytes)?;
    let mut numbers = [0; N];
    for number in &mut numbers {
        (*number, rest) = take(rest, (all & 0xf) as usize)?;
        all >>= NIBBLE;
    }
    Some((numbers, rest))
}

/// What follows `N` numbers.
pub(super) fn after<const N: usize>(bytes: &[u8]) -> Option<&[u8]> {
    let (all, rest) = split_lengths::<N>(bytes)?;
    let length: u64 = (0..N as u32)
        .map(|place| all >> (place * NIBBLE) & 0xf)
        .sum();
    rest.get(length as usize..)
}

/// The lengths of `N` numbers, the first in the lowest nibble.
fn split_lengths<const N: usize>(bytes: &[u8]) -> Option<(u64, &[u8])> {
    take(bytes, lengths(N))
}

/// A little-endian number of `length` bytes, at most eight.
#[inline]
fn take(bytes: &[u8], length: usize) -> Option<(u64, &[u8])> {
    let rest = bytes.get(length..)?;
    let number = match bytes.first_chunk::<8>() {
        // One load; what belongs to others is cut off.
        Some(eight) => {
            let others = 64_u32.checked_sub(8 * length as u32)?;
            u64::from_le_bytes(*eight) & u64::MAX.checked_shr(others).unwrap_or(0)
        }
        None => bytes[..length]
            .iter()
            .rev()
            .fold(0, |number, byte| number << 8 | u64::from(*byte)),
    };
    Some((number, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn small_numbers_are_short() {
        let mut bytes = Vec::new();
        pack([0, 1, 255, 256, 0, u64::MAX, 0], &mut bytes);
        assert_eq!(bytes.len(), 4 + 1 + 1 + 2 + 8);
    }

    proptest! {
        /// Whatever stands behind, and if nothing does.
        #[test]
        fn nothing_is_lost(
            numbers in prop::array::uniform7(prop_oneof![0u64..300, any::<u64>(), Just(0)]),
            behind in prop::collection::vec(any::<u8>(), 0..20),
        ) {
            let mut bytes = Vec::new();
            pack(numbers, &mut bytes);
            let length = bytes.len();
            bytes.extend(&behind);
            prop_assert_eq!(unpack(&bytes), Some((numbers, behind.as_slice())));
            prop_assert_eq!(after::<7>(&bytes), Some(behind.as_slice()));
            for short in 0..length {
                prop_assert_eq!(unpack::<7>(&bytes[..short]), None);
                prop_assert_eq!(after::<7>(&bytes[..short]), None);
            }
        }
    }
}
