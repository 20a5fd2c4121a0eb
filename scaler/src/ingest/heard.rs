//! What has counted of what a node's streams said, over all of them.

/// How far behind the newest an interval may come and still count.
const REMEMBERED: u64 = u64::BITS as u64;
/// Reports that an agent can have thrown away between two: eleven days' worth.
const MOST_DROPPED: u64 = 1_000_000;

/// The intervals of a node that have counted in one leadership.
///
/// An interval counts once, when the controller gets it: one that found no room is as if it had never
/// come, and counts when the agent sends it again, be it after later ones.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// In which leadership of ours; the next one begins with empty windows, so it takes all anew.
    term: u64,
    /// By which start of the agent.
    instance: String,
    newest: u64,
    /// Bit `i` stands for the interval `newest - i`.
    recent: u64,
    dropped: Dropped,
}

/// The reports that an agent says it threw away.
#[derive(Debug, Default)]
struct Dropped {
    instance: String,
    total: u64,
}

impl Heard {
    /// Of `total` reports thrown away since the agent's start: how many have not been counted. Each
    /// stream says the total again, be it the node's tenth.
    pub(super) fn newly_dropped(&mut self, instance: &str, total: u64) -> u64 {
        let known = &mut self.dropped;
        if known.instance != instance || total < known.total {
            instance.clone_into(&mut known.instance);
            known.total = 0;
        }
        let more = total - known.total;
        known.total = total;
        more.min(MOST_DROPPED)
    }

    /// Whether an interval has not counted yet.
    pub(super) fn is_news(&self, term: u64, instance: &str, number: u64) -> bool {
        // 0: an agent of before intervals were numbered.
        if number == 0 || self.term != term || self.instance != instance || number > self.newest {
            return true;
        }
        let behind = self.newest - number;
        behind < REMEMBERED && self.recent & (1 << behind) == 0
    }

    /// Counts an interval; false when it has counted before.
    pub(super) fn hear(&mut self, term: u64, instance: &str, number: u64) -> bool {
        if !self.is_news(term, instance, number) {
            return false;
        }
        if number == 0 {
            return true;
        }
        if self.term != term || self.instance != instance {
            (self.term, self.newest, self.recent) = (term, 0, 0);
            instance.clone_into(&mut self.instance);
        }
        let ahead = number.saturating_sub(self.newest);
        if ahead > 0 {
            let kept = u32::try_from(ahead).ok();
            self.recent = kept.and_then(|by| self.recent.checked_shl(by)).unwrap_or(0);
            self.newest = number;
        }
        self.recent |= 1 << (self.newest - number);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_interval_counts_once_in_each_leadership() {
        let mut heard = Heard::default();
        let mut news = |term, instance, numbers: &[u64]| -> Vec<bool> {
            let hear = |number: &u64| heard.hear(term, instance, *number);
            numbers.iter().map(hear).collect()
        };
        assert_eq!(
            news(1, "a", &[7, 8, 8, 7, 9]),
            [true, true, false, false, true]
        );
        assert_eq!(
            news(2, "a", &[8, 9, 10]),
            [true, true, true],
            "empty windows"
        );
        assert_eq!(news(2, "b", &[1]), [true], "the agent was restarted");
        assert_eq!(news(2, "b", &[0, 0]), [true, true], "not numbered");
    }

    #[test]
    fn what_an_agent_threw_away_counts_once_over_all_streams() {
        let mut heard = Heard::default();
        let mut more = |instance, total| heard.newly_dropped(instance, total);
        assert_eq!([more("a", 0), more("a", 3), more("a", 3)], [0, 3, 0]);
        assert_eq!(more("a", 5), 2, "also when the stream is another");
        assert_eq!(more("b", 1), 1, "the agent was restarted");
        assert_eq!(more("b", u64::MAX), MOST_DROPPED, "no counter wraps");
    }

    #[test]
    fn one_that_was_left_out_counts_when_it_comes_late_and_none_for_ever() {
        let mut heard = Heard::default();
        for number in [5, 6, 8] {
            assert!(heard.hear(1, "a", number));
        }
        let late: Vec<bool> = [7, 7, 6].map(|number| heard.hear(1, "a", number)).into();
        assert_eq!(late, [true, false, false]);
        // As far behind as is remembered, and one more.
        assert!(heard.hear(1, "a", 100));
        assert!(heard.is_news(1, "a", 100 - 63) && !heard.is_news(1, "a", 100 - 64));
        assert!(heard.hear(1, "a", u64::MAX), "any number is a number");
        assert!(!heard.hear(1, "a", u64::MAX) && !heard.hear(1, "a", 100));
    }
}
