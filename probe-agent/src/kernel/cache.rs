//! From pages accessed and pages brought in to hits. Pure.

/// Accesses that found their pages in the cache, over time.
///
/// A page counts as missing once, at the first access after it was brought in. Reading ahead brings in
/// what is asked for later, so pages that were brought in stand as a debt that accesses pay; what
/// nobody asked for until the end of the next reading is forgotten, or it would be charged to accesses
/// that have nothing to do with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Hits {
    /// Totals at the last reading.
    accessed: u64,
    brought: u64,
    /// Pages brought in before it that nobody has asked for.
    unread: u64,
    missed: u64,
}

impl Hits {
    /// Pages that hit, given totals that never shrink. Never shrinks itself, and is at most `accessed`.
    pub(super) fn advance(&mut self, accessed: u64, brought: u64) -> u64 {
        let asked = accessed.saturating_sub(self.accessed);
        let new = brought.saturating_sub(self.brought);
        let owed = self.unread.saturating_add(new);
        let missed = owed.min(asked);
        self.unread = (owed - missed).min(new);
        self.missed = self.missed.saturating_add(missed);
        self.accessed = self.accessed.max(accessed);
        self.brought = self.brought.max(brought);
        self.accessed.saturating_sub(self.missed)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_first_pass_misses_and_a_second_hits() {
        let mut hits = Hits::default();
        assert_eq!(hits.advance(100, 100), 0);
        assert_eq!(hits.advance(200, 100), 100);
    }

    #[test]
    fn what_was_read_ahead_is_missed_when_it_is_asked_for() {
        let mut hits = Hits::default();
        assert_eq!(hits.advance(10, 32), 0);
        assert_eq!(hits.advance(42, 32), 10, "22 of these 32 had been owed");
    }

    #[test]
    fn what_nobody_asks_for_is_forgotten() {
        let mut hits = Hits::default();
        hits.advance(0, 1_000);
        hits.advance(0, 1_000);
        assert_eq!(hits.advance(50, 1_000), 50);
    }

    proptest! {
        #[test]
        fn hits_never_shrink_and_never_exceed_accesses(
            steps in prop::collection::vec((0..1_000u64, 0..1_000u64), 1..50),
        ) {
            let (mut hits, mut accessed, mut brought, mut last) = (Hits::default(), 0, 0, 0);
            for (asked, new) in steps {
                accessed += asked;
                brought += new;
                let now = hits.advance(accessed, brought);
                prop_assert!(now >= last && now <= accessed);
                prop_assert!(accessed - now <= brought);
                last = now;
            }
        }
    }
}
