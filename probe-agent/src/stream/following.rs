//! Which of several scalers is followed. Pure.

/// Tells the streams of this agent apart; a stream that is opened again is another one.
pub type StreamId = u64;

/// The leader as far as this agent knows.
///
/// The highest term wins: for a moment two scalers may believe that they lead, the older of which has
/// not noticed yet that its time is over. Its configuration and its silence are ignored from then on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Following {
    stream: Option<StreamId>,
    term: u64,
}

/// What a configuration means for the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// From a new leader: follow it, and send it what is kept.
    NewLeader,
    /// From the leader: follow it.
    Leader,
    /// From one whose term is over.
    Outdated,
}

impl Following {
    /// The stream that gets reports.
    pub(crate) fn stream(self) -> Option<StreamId> {
        self.stream
    }

    /// A scaler that says it leads in `term` sent a configuration over `stream`.
    pub(crate) fn configured(&mut self, stream: StreamId, term: u64) -> Heard {
        // A lower term while nobody is followed: the Lease was made anew, terms began again.
        if self.stream.is_some() && term < self.term {
            return Heard::Outdated;
        }
        let known = self.stream == Some(stream);
        (self.stream, self.term) = (Some(stream), term);
        if known {
            Heard::Leader
        } else {
            Heard::NewLeader
        }
    }

    /// `stream` ended, or its scaler does not lead any more. Tells whether it was followed.
    pub(crate) fn lost(&mut self, stream: StreamId) -> bool {
        let followed = self.stream == Some(stream);
        if followed {
            self.stream = None;
        }
        followed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_leader_is_followed_whichever_stream_ends_first() {
        let mut following = Following::default();
        assert_eq!(following.configured(1, 4), Heard::NewLeader);
        assert_eq!(following.configured(1, 4), Heard::Leader);
        assert_eq!(following.configured(2, 5), Heard::NewLeader);
        assert_eq!(
            following.configured(1, 4),
            Heard::Outdated,
            "not noticed yet"
        );
        assert!(!following.lost(1));
        assert_eq!(following.stream(), Some(2));
        assert!(following.lost(2));
        assert_eq!(following.stream(), None);
    }

    #[test]
    fn terms_may_begin_again_once_nobody_is_followed() {
        let mut following = Following::default();
        following.configured(1, 40);
        following.lost(1);
        assert_eq!(following.configured(2, 1), Heard::NewLeader);
    }
}
