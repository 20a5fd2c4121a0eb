//! Counting probe results (pure): how many in a row it takes to change one's mind.

use super::spec::ProbeSpec;

/// Consecutive results against the thresholds of a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Counter {
    success_threshold: u32,
    failure_threshold: u32,
    last: Option<bool>,
    run: u32,
}

impl Counter {
    pub(super) fn new(spec: &ProbeSpec) -> Self {
        Self {
            success_threshold: spec.success_threshold,
            failure_threshold: spec.failure_threshold,
            last: None,
            run: 0,
        }
    }

    /// Takes one result; `Some(verdict)` once enough of the same came in a row.
    pub(super) fn record(&mut self, success: bool) -> Option<bool> {
        self.run = if self.last == Some(success) {
            self.run.saturating_add(1)
        } else {
            1
        };
        self.last = Some(success);
        let needed = if success {
            self.success_threshold
        } else {
            self.failure_threshold
        };
        (self.run >= needed).then_some(success)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn counter(success_threshold: u32, failure_threshold: u32) -> Counter {
        Counter {
            success_threshold,
            failure_threshold,
            last: None,
            run: 0,
        }
    }

    #[test]
    fn a_success_in_between_starts_the_count_again() {
        let mut counter = counter(1, 3);
        let verdicts: Vec<_> = [false, false, true, false, false, false, false]
            .map(|success| counter.record(success))
            .to_vec();
        assert_eq!(
            verdicts,
            [None, None, Some(true), None, None, Some(false), Some(false)]
        );
    }

    proptest! {
        #[test]
        fn a_verdict_needs_its_threshold_in_a_row(
            results in proptest::collection::vec(any::<bool>(), 0..100),
            success_threshold in 1u32..5,
            failure_threshold in 1u32..5,
        ) {
            let mut counter = counter(success_threshold, failure_threshold);
            for end in 0..results.len() {
                let verdict = counter.record(results[end]);
                let same = results[..=end].iter().rev().take_while(|r| **r == results[end]).count();
                let needed = if results[end] { success_threshold } else { failure_threshold };
                prop_assert_eq!(verdict.is_some(), same >= needed as usize);
            }
        }
    }
}
