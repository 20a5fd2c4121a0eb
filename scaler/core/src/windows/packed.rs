//! One container's sample as bytes.
//!
//! 150,000 containers with a sample a second are kept for the length of a window. As the agent's
//! words (maps, vectors of 64-bit buckets) one sample takes about a kilobyte in eight allocations;
//! packed, some 70 bytes in none of its own. Numbers keep all of their bits:
//!
//! ```text
//! body    = number of metrics (1) · has scheduling (1) · [scheduling: 7 numbers] · metric*
//! metric  = which (1) · first bucket (1) · buckets (1) · bytes of a bucket (1), or'ed with 0x80 if estimated
//!           · count and sum: 2 numbers · [sampling (8) · relative error (8), if estimated] · bucket*
//! numbers = the length of each (a nibble) · the bytes of each, but for zeros at its end
//! ```
//!
//! Buckets are those from the first to the last that is not empty, each in as many bytes as the
//! largest needs. Lengths that stand before their numbers, instead of in each of their bytes, make reading
//! a number one load and one mask. All numbers are little-endian.

mod numbers;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::metric::Metric;
use crate::sample::{MetricDelta, Scheduling};

/// Beside the bytes of a bucket: the numbers are estimates, and what is known of them follows. Without
/// it every event was recorded.
const ESTIMATED: u8 = 0x80;

/// Appends the body of a sample to `out`.
pub(super) fn pack(
    metrics: &BTreeMap<Metric, MetricDelta>,
    scheduling: Option<&Scheduling>,
    out: &mut Vec<u8>,
) {
    // There are fifteen metrics.
    out.push(metrics.len() as u8);
    out.push(u8::from(scheduling.is_some()));
    if let Some(scheduling) = scheduling {
        numbers::pack(
            [
                nanoseconds(scheduling.on_cpu),
                nanoseconds(scheduling.wait),
                scheduling.voluntary_switches,
                scheduling.involuntary_switches,
                nanoseconds(scheduling.throttled),
                scheduling.throttled_periods,
                scheduling.quota_periods,
            ],
            out,
        );
    }
    for (metric, delta) in metrics {
        pack_metric(*metric, delta, out);
    }
}

fn pack_metric(metric: Metric, delta: &MetricDelta, out: &mut Vec<u8>) {
    let buckets = delta.histogram.buckets();
    let first = buckets.iter().take_while(|count| **count == 0).count();
    let used = &buckets[first..];
    let width = Width::of(used.iter().copied().max().unwrap_or(0));
    let estimated = delta.sampling != 1.0 || delta.relative_error != 0.0;
    // A histogram has at most 64 buckets.
    out.extend_from_slice(&[
        metric as u8,
        first as u8,
        used.len() as u8,
        width.bytes() as u8 | if estimated { ESTIMATED } else { 0 },
    ]);
    numbers::pack([delta.count, delta.sum], out);
    if estimated {
        out.extend_from_slice(&delta.sampling.to_le_bytes());
        out.extend_from_slice(&delta.relative_error.to_le_bytes());
    }
    for count in used {
        out.extend_from_slice(&count.to_le_bytes()[..width.bytes()]);
    }
}

/// A body, as [`pack`] has written it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Body<'a>(pub(super) &'a [u8]);

impl<'a> Body<'a> {
    pub(super) fn scheduling(self) -> Option<Scheduling> {
        let (_, has, rest) = self.header()?;
        if !has {
            return None;
        }
        let [
            on_cpu,
            wait,
            voluntary_switches,
            involuntary_switches,
            throttled,
            throttled_periods,
            quota_periods,
        ] = Reader(rest).numbers()?;
        Some(Scheduling {
            on_cpu: Duration::from_nanos(on_cpu),
            wait: Duration::from_nanos(wait),
            voluntary_switches,
            involuntary_switches,
            throttled: Duration::from_nanos(throttled),
            throttled_periods,
            quota_periods,
        })
    }

    /// What was measured of `metric`.
    pub(super) fn metric(self, metric: Metric) -> Option<PackedDelta<'a>> {
        let (metrics, has_scheduling, rest) = self.header()?;
        let mut rest = Reader(rest);
        if has_scheduling {
            rest.skip_numbers::<7>()?;
        }
        for _ in 0..metrics {
            let [which, first, buckets, width] = rest.bytes::<4>()?;
            let (estimated, width) = (width & ESTIMATED != 0, width & !ESTIMATED);
            let [count, sum] = rest.numbers()?;
            let (sampling, relative_error) = match estimated {
                true => (
                    f64::from_le_bytes(rest.bytes()?),
                    f64::from_le_bytes(rest.bytes()?),
                ),
                false => (1.0, 0.0),
            };
            let delta = PackedDelta {
                count,
                sum,
                sampling,
                relative_error,
                first: usize::from(first),
                width: Width::from_bytes(width),
                buckets: rest.skip(usize::from(buckets) * usize::from(width))?,
            };
            if which == metric as u8 {
                return Some(delta);
            }
        }
        None
    }

    /// Number of metrics, whether there is scheduling, and what follows.
    fn header(self) -> Option<(u8, bool, &'a [u8])> {
        let ([metrics, has], rest) = self.0.split_first_chunk::<2>()?;
        Some((*metrics, *has != 0, rest))
    }
}

/// One metric of a packed sample.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PackedDelta<'a> {
    count: u64,
    sum: u64,
    sampling: f64,
    relative_error: f64,
    first: usize,
    width: Width,
    buckets: &'a [u8],
}

impl PackedDelta<'_> {
    /// Adds what this counted to `all`, as [`MetricDelta::merge`] does.
    pub(crate) fn merge_into(&self, all: &mut MetricDelta) {
        all.merge_numbers(self.count, self.sum, self.sampling, self.relative_error);
        let histogram = &mut all.histogram;
        match self.width {
            Width::One => histogram.add(self.first, self.buckets.iter().map(|b| u64::from(*b))),
            Width::Two => histogram.add(
                self.first,
                in_chunks(self.buckets, |b| u16::from_le_bytes(b).into()),
            ),
            Width::Four => histogram.add(
                self.first,
                in_chunks(self.buckets, |b| u32::from_le_bytes(b).into()),
            ),
            Width::Eight => histogram.add(self.first, in_chunks(self.buckets, u64::from_le_bytes)),
        }
    }
}

/// The little-endian numbers of `N` bytes each.
fn in_chunks<const N: usize>(
    bytes: &[u8],
    read: impl Fn([u8; N]) -> u64,
) -> impl ExactSizeIterator<Item = u64> {
    bytes.chunks_exact(N).map(move |chunk| {
        let mut number = [0; N];
        number.copy_from_slice(chunk);
        read(number)
    })
}

/// Bytes of one bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Width {
    One,
    Two,
    Four,
    Eight,
}

impl Width {
    fn of(largest: u64) -> Self {
        match largest {
            0..=0xff => Width::One,
            0x100..=0xffff => Width::Two,
            0x1_0000..=0xffff_ffff => Width::Four,
            _ => Width::Eight,
        }
    }

    fn bytes(self) -> usize {
        match self {
            Width::One => 1,
            Width::Two => 2,
            Width::Four => 4,
            Width::Eight => 8,
        }
    }

    fn from_bytes(bytes: u8) -> Self {
        match bytes {
            1 => Width::One,
            2 => Width::Two,
            4 => Width::Four,
            _ => Width::Eight,
        }
    }
}

/// Takes from the front; `None` past the end, which [`pack`] never leaves short.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*bytes)
    }

    fn numbers<const N: usize>(&mut self) -> Option<[u64; N]> {
        let (found, rest) = numbers::unpack(self.0)?;
        self.0 = rest;
        Some(found)
    }

    fn skip_numbers<const N: usize>(&mut self) -> Option<()> {
        self.0 = numbers::after::<N>(self.0)?;
        Some(())
    }

    fn skip(&mut self, length: usize) -> Option<&'a [u8]> {
        let (skipped, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(skipped)
    }
}

/// A time in nanoseconds; what exceeds 584 years is as good as 584 years.
pub(super) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
