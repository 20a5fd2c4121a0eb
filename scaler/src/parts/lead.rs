//! From standby to leader and back, as often as the election says.
//!
//! ```text
//!            ┌──────────────── Standing::Standby ◀───────────────┐
//!            ▼                                                   │
//!  streams kept, watches in sync,     Standing::Leader(term)     │  controller stopped, what it
//!  no reports, no decisions      ─────────────────────────────▶  │  remembered thrown away
//!                                  new controller, empty windows,
//!                                  targets with this term
//! ```
//!
//! Nothing that was remembered in one term is used in another: what happened in between is not in it.

use std::pin::pin;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::AbortOnDrop;
use crate::apply::Applier;
use crate::clock::Clock;
use crate::controller::{self, Inputs, Journal, REPORT_QUEUE};
use crate::election::{Pulse, Standing};
use crate::ingest::{self, Role, Shared};
use crate::recording::Recorder;

/// What a leader works with.
pub(super) struct Office {
    pub(super) clock: Clock,
    pub(super) standing: watch::Receiver<Standing>,
    /// Tells agents' streams what they are for.
    pub(super) role: watch::Sender<Role>,
    pub(super) shared: Arc<Shared>,
    pub(super) applier: Arc<Applier>,
    pub(super) journal: Arc<Journal>,
    /// Takes each term down; the one that decides has it.
    pub(super) recorder: Recorder,
    /// Shows the election that decisions are made.
    pub(super) pulse: Pulse,
}

/// Decides while this process leads, until `stop`, or until nobody knows any more who leads.
pub(super) async fn lead(mut office: Office, stop: CancellationToken) {
    while let Some(term) = office.next_term(&stop).await {
        office.serve_term(term, &stop).await;
    }
    if office.recorder.is_on() {
        // Waits for the disk. A panic in there would be one of dropping; there is nothing to do about
        // it.
        let _ = tokio::task::spawn_blocking(move || office.recorder.close()).await;
    }
}

impl Office {
    /// `None` when nothing is to be decided any more.
    async fn next_term(&mut self, stop: &CancellationToken) -> Option<u64> {
        tokio::select! {
            biased;
            () = stop.cancelled() => None,
            term = self.elected() => term,
        }
    }

    /// Waits until this process leads, telling agents meanwhile who does. `None` when the election
    /// has ended.
    async fn elected(&mut self) -> Option<u64> {
        loop {
            match self.standing.borrow_and_update().clone() {
                Standing::Leader(lead) => return Some(lead.term),
                Standing::Standby {
                    leader_address,
                    term,
                } => self.role.send_replace(Role::Standby {
                    leader_address,
                    term,
                }),
            };
            self.standing.changed().await.ok()?;
        }
    }

    async fn serve_term(&mut self, term: u64, stop: &CancellationToken) {
        let (reports, received) = mpsc::channel(REPORT_QUEUE);
        self.role.send_replace(Role::Leader { term, reports });
        let distribute = AbortOnDrop(tokio::spawn(ingest::distribute(self.shared.clone())));
        let over = stop.child_token();
        let inputs = Inputs {
            clock: self.clock,
            interval: self.shared.interval,
            workloads: self.shared.workloads.clone(),
            policies: self.shared.policies.clone(),
            reports: received,
            applier: self.applier.clone(),
            journal: self.journal.clone(),
            recorder: std::mem::take(&mut self.recorder),
            pulse: self.pulse.clone(),
        };
        let mut controller = pin!(controller::run(inputs, over.clone()));
        let ended = tokio::select! {
            biased;
            recorder = &mut controller => Some(recorder),
            () = deposed(&mut self.standing, term) => None,
        };
        drop(distribute);
        self.role.send_replace(Role::Standby {
            leader_address: None,
            term,
        });
        self.recorder = match ended {
            Some(recorder) => recorder,
            None => {
                info!(term, "the term is over");
                over.cancel();
                // Its writes under way ask for leadership themselves, so this takes a moment only.
                controller.await
            }
        };
    }
}

/// Until this process does not lead in `term` any more.
async fn deposed(standing: &mut watch::Receiver<Standing>, term: u64) {
    let other =
        |standing: &Standing| !matches!(standing, Standing::Leader(lead) if lead.term == term);
    // An election that ended has deposed us too.
    let _ = standing.wait_for(other).await;
}
