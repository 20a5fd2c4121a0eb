//! What an agent is told: configurations while this scaler leads, else who does.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tonic::Status;
use tracing::debug;
use viperscale_proto::v1::{self as wire, scaler_message};

use super::Role;
use super::nodes::Registration;
use crate::metrics;

/// The way to one agent.
pub(super) type Outbound = mpsc::Sender<Result<wire::ScalerMessage, Status>>;

/// A configuration, and room to send it.
pub(super) struct Ready<'a> {
    configuration: Arc<wire::Configuration>,
    permit: mpsc::Permit<'a, Result<wire::ScalerMessage, Status>>,
}

/// Waits for a configuration that the agent does not have, and then for room to send it; a slow
/// agent gets the newest one, not every one. `None` when the agent has left.
pub(super) async fn next_configuration<'a>(
    registration: &mut Registration,
    outbound: &'a Outbound,
) -> Option<Ready<'a>> {
    registration.configuration.changed().await.ok()?;
    // Not seen until it is sent: the wait for room may be cancelled.
    registration.configuration.mark_changed();
    let permit = outbound.reserve().await.ok()?;
    let configuration = registration.configuration.borrow_and_update().clone()?;
    Some(Ready {
        configuration,
        permit,
    })
}

impl Ready<'_> {
    pub(super) fn send(self) {
        debug!(
            revision = self.configuration.revision,
            targets = self.configuration.targets.len(),
            "configuration sent"
        );
        metrics::configuration_sent();
        let configuration = wire::Configuration::clone(&self.configuration);
        self.permit.send(Ok(wire::ScalerMessage {
            message: Some(scaler_message::Message::Configuration(configuration)),
        }));
    }
}

/// The word that another scaler leads, and room to send it.
pub(super) struct OnStandby<'a> {
    standby: wire::Standby,
    permit: mpsc::Permit<'a, Result<wire::ScalerMessage, Status>>,
}

/// Waits for news that this scaler does not lead, or that another one leads now, and for room to say
/// so. `None` when the agent has left.
pub(super) async fn next_standby<'a>(
    role: &mut watch::Receiver<Role>,
    outbound: &'a Outbound,
) -> Option<OnStandby<'a>> {
    loop {
        if role.changed().await.is_err() {
            // Whoever knew the role has ended, as everything is about to.
            std::future::pending::<()>().await;
        }
        if matches!(*role.borrow_and_update(), Role::Leader { .. }) {
            continue; // the configuration says so
        }
        // Not seen until it is sent: the wait for room may be cancelled.
        role.mark_changed();
        let permit = outbound.reserve().await.ok()?;
        if let Role::Standby {
            leader_address,
            term,
        } = role.borrow_and_update().clone()
        {
            let leader_address = leader_address.unwrap_or_default();
            let standby = wire::Standby {
                leader_address,
                term,
            };
            return Some(OnStandby { standby, permit });
        }
    }
}

impl OnStandby<'_> {
    pub(super) fn send(self) {
        self.permit.send(Ok(wire::ScalerMessage {
            message: Some(scaler_message::Message::Standby(self.standby)),
        }));
    }
}
