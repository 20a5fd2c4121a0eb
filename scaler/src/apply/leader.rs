//! Whether this process may write.

use tokio::sync::watch;

/// Tells whether this process leads; asked before each write.
///
/// Whoever runs leader election holds the sender. When that one is gone, so is the leadership: a
/// scaler whose election task died must not write.
#[derive(Debug, Clone)]
pub struct Leadership {
    leads: watch::Receiver<bool>,
    /// Keeps the channel of [`Leadership::always`] open.
    _permanent: Option<std::sync::Arc<watch::Sender<bool>>>,
}

impl Leadership {
    /// For a scaler that is the only one of its cluster.
    pub fn always() -> Self {
        let (sender, leads) = watch::channel(true);
        Leadership {
            leads,
            _permanent: Some(std::sync::Arc::new(sender)),
        }
    }

    /// Leads while `leads` says so and its sender lives.
    pub fn elected(leads: watch::Receiver<bool>) -> Self {
        Leadership {
            leads,
            _permanent: None,
        }
    }

    /// Whether a write is allowed now.
    pub fn is_leader(&self) -> bool {
        *self.leads.borrow() && self.leads.has_changed().is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leadership_ends_with_its_election() {
        assert!(Leadership::always().clone().is_leader());
        let (election, leads) = watch::channel(false);
        let leadership = Leadership::elected(leads);
        assert!(!leadership.is_leader());
        election.send_replace(true);
        assert!(leadership.is_leader());
        drop(election);
        assert!(!leadership.is_leader(), "nobody renews the lease any more");
    }
}
