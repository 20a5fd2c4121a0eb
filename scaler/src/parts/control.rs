//! What needs the API server: watches, election, the leader's work, statuses of policies.

use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use scaler_core::Timestamp;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::lead::{Office, lead};
use super::{AbortOnDrop, Candidacy, Writes};
use crate::admin::Readiness;
use crate::api_health::ApiHealth;
use crate::apply::{Applier, Lead, Leadership, Limits, StatusInputs, write_statuses};
use crate::clock::Clock;
use crate::cluster::ClusterError;
use crate::controller::Journal;
use crate::election::{
    Election, Outcome, Place, Pulse, RuntimeError, Standing, UnderWay, boot_time,
};
use crate::events::Events;
use crate::ingest::{Role, Shared};
use crate::metrics;
use crate::policies::{self, Objects};
use crate::recording::Recorder;
use crate::rivals::{self, Followed, Rivals};
use crate::workloads::{self, Resource};

/// How long the Lease's return may take when the process ends; it ends by itself otherwise.
const HAND_BACK_PATIENCE: Duration = Duration::from_secs(1);
/// How often the API server's health is written into gauges.
const GAUGES_EVERY: Duration = Duration::from_secs(5);

/// What must have happened with the API server once, before the scaler is ready.
pub(super) struct Gates {
    connected: watch::Sender<bool>,
    synced: Vec<(Resource, watch::Sender<bool>)>,
    hpas: watch::Sender<bool>,
    scaled_objects: watch::Sender<bool>,
}

impl Gates {
    pub(super) fn of(readiness: &mut Readiness) -> Self {
        let connected = readiness.gate("api-server");
        let gate = |resource: Resource| (resource, readiness.gate(resource.name()));
        let synced = Resource::ALL.map(gate).into();
        Gates {
            connected,
            synced,
            hpas: readiness.gate("horizontalpodautoscalers"),
            scaled_objects: readiness.gate("scaledobjects"),
        }
    }
}

/// Everything that waits for the API server.
pub(super) struct Controlling {
    pub(super) clock: Clock,
    pub(super) candidacy: Option<Candidacy>,
    pub(super) writes: Writes,
    pub(super) recorder: Recorder,
    pub(super) shared: Arc<Shared>,
    pub(super) objects: watch::Sender<Objects>,
    pub(super) role: watch::Sender<Role>,
    pub(super) journal: Arc<Journal>,
    pub(super) health: ApiHealth,
    pub(super) readiness: Readiness,
    pub(super) gates: Gates,
}

impl Controlling {
    /// Runs until `stop`; an error, or an end before that, ends the process.
    pub(super) async fn run(
        self,
        connecting: impl Future<Output = Result<Client, ClusterError>>,
        stop: CancellationToken,
    ) -> Result<(), RuntimeError> {
        let client = tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            client = connecting => client?,
        };
        self.gates.connected.send_replace(true);
        // Dropped at the end, and with them what they follow.
        let mut followers = JoinSet::new();
        for (resource, synced) in self.gates.synced {
            followers.spawn(workloads::watch(
                resource,
                client.clone(),
                self.shared.workloads.clone(),
                self.clock,
                synced,
                self.health.clone(),
            ));
        }
        let objects = policies::watch_objects(client.clone(), self.objects, self.health.clone());
        followers.spawn(objects);
        // Other autoscalers must be known before anything is written.
        let others = Followed {
            rivals: Arc::new(Rivals::default()),
            health: self.health.clone(),
        };
        let (hpas, scaled_objects) = (self.gates.hpas, self.gates.scaled_objects);
        followers.spawn(rivals::watch_hpas(client.clone(), others.clone(), hpas));
        let scaled_objects =
            rivals::watch_scaled_objects(client.clone(), others.clone(), scaled_objects);
        followers.spawn(scaled_objects);
        followers.spawn(show(self.health.clone()));
        let mut everything_known = self.readiness;
        tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            () = everything_known.wait() => info!("ready"),
        }

        // Only now: half-known workloads would look like missing deployments and targets, so one
        // that knows half must not lead.
        let give_up = CancellationToken::new();
        let elected = Elected::start(
            self.candidacy,
            &client,
            self.health.clone(),
            give_up.clone(),
        )
        .await?;
        let (events, write_events) = Events::start(client.clone(), self.clock);
        let events_task = tokio::spawn(write_events);
        followers.spawn(write_statuses(StatusInputs {
            client: client.clone(),
            leadership: elected.leadership.clone(),
            policies: self.shared.policies.clone(),
            journal: self.journal.clone(),
            events: events.clone(),
            clock: self.clock,
        }));
        let applier = Applier::new(
            client,
            Limits::new(self.writes.limits, self.clock),
            elected.leadership,
            events,
            others.rivals,
            self.health,
            self.writes.pod_deletion_costs,
        );
        let office = Office {
            clock: self.clock,
            standing: elected.standing,
            role: self.role,
            shared: self.shared,
            applier: Arc::new(applier),
            journal: self.journal,
            recorder: self.recorder,
            pulse: elected.pulse,
        };
        lead(office, stop).await;
        // Nothing of ours is under way any more: the next one may begin.
        give_up.cancel();
        if let Some(mut election) = elected.election {
            let _ = timeout(HAND_BACK_PATIENCE, election.ended()).await;
        }
        drop(followers);
        // With the applier and the writer of statuses went the last handles of the queue, so this ends
        // once it is empty.
        let _ = timeout(HAND_BACK_PATIENCE, events_task).await;
        Ok(())
    }
}

/// An election that runs, or the only candidate's certainty.
struct Elected {
    leadership: Leadership,
    standing: watch::Receiver<Standing>,
    pulse: Pulse,
    election: Option<UnderWay>,
    _certainty: Option<AbortOnDrop>,
}

impl Elected {
    async fn start(
        candidacy: Option<Candidacy>,
        client: &Client,
        health: ApiHealth,
        give_up: CancellationToken,
    ) -> Result<Self, RuntimeError> {
        let Some(candidacy) = candidacy else {
            return Ok(Elected::alone());
        };
        let Candidacy {
            lease,
            namespace,
            identity,
            agents_address,
            timing,
            now,
            runtime,
        } = candidacy;
        let place = Place {
            namespace: namespace.unwrap_or_else(|| client.default_namespace().to_owned()),
            lease,
            identity,
            agents_address,
        };
        let (election, outcome) = Election::new(place, timing, now, health);
        let Outcome {
            lead,
            standing,
            pulse,
        } = outcome;
        Ok(Elected {
            leadership: Leadership::elected(lead, now),
            standing,
            pulse,
            election: Some(runtime.start(election, client.clone(), give_up).await?),
            _certainty: None,
        })
    }

    fn alone() -> Self {
        let (sender, standing) = watch::channel(Standing::Leader(Lead {
            term: 1,
            until: Timestamp::new(Duration::MAX),
        }));
        // The sender must live as long as the work: an election that is gone has deposed everyone.
        let task = tokio::spawn(async move {
            let mut ticks = interval(GAUGES_EVERY);
            let _sender = sender;
            loop {
                ticks.tick().await;
                metrics::leads(true);
            }
        });
        Elected {
            leadership: Leadership::always(),
            standing,
            pulse: Pulse::new(boot_time::now),
            election: None,
            _certainty: Some(AbortOnDrop(task)),
        }
    }
}

/// Keeps the gauges of the API server's health.
async fn show(health: ApiHealth) {
    let mut ticks = interval(GAUGES_EVERY);
    loop {
        ticks.tick().await;
        for (source, failing) in health.all() {
            metrics::api_failing(source.name(), failing);
        }
    }
}
