//! What must have happened once before the scaler is ready.

use serde::Serialize;
use tokio::sync::watch;

/// Gates that open once and stay open.
#[derive(Debug, Clone, Default)]
pub struct Readiness {
    gates: Vec<(&'static str, watch::Receiver<bool>)>,
}

/// The answer of `/ready`.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether every gate is open.
    pub ready: bool,
    /// The gates that are not.
    pub waiting_for: Vec<&'static str>,
}

impl Readiness {
    /// Adds a gate; it is opened by sending `true`.
    pub fn gate(&mut self, name: &'static str) -> watch::Sender<bool> {
        let (sender, receiver) = watch::channel(false);
        self.gates.push((name, receiver));
        sender
    }

    /// Which gates are open now.
    pub fn report(&self) -> Report {
        let closed = self.gates.iter().filter(|(_, gate)| !*gate.borrow());
        let waiting_for: Vec<_> = closed.map(|(name, _)| *name).collect();
        Report {
            ready: waiting_for.is_empty(),
            waiting_for,
        }
    }

    /// Waits until every gate is open. Never returns when one was dropped closed.
    pub async fn wait(&mut self) {
        for (_, gate) in &mut self.gates {
            if gate.wait_for(|open| *open).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_names_what_it_waits_for() {
        let mut readiness = Readiness::default();
        let (pods, policies) = (readiness.gate("pods"), readiness.gate("policies"));
        pods.send_replace(true);
        let report = Report {
            ready: false,
            waiting_for: vec!["policies"],
        };
        assert_eq!(readiness.report(), report);
        policies.send_replace(true);
        readiness.wait().await;
        assert!(readiness.report().ready);
    }
}
