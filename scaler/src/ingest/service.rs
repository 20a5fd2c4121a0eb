//! The gRPC service: starts a session for each stream.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::{Request, Response, Status, Streaming};
use tracing::{Instrument, info_span};
use viperscale_proto::SCALER;
use viperscale_proto::v1 as wire;
use viperscale_proto::v1::telemetry_server::Telemetry;

use super::identity::Identity;
use super::{Shared, session};

/// Messages on their way to one agent. Configurations are not queued but replaced by newer ones,
/// so this is only the room for one and for the word that ends the stream.
const OUTBOUND: usize = 2;

/// Answers `viperscale.v1.Telemetry`.
#[derive(Debug)]
pub(super) struct Service {
    shared: Arc<Shared>,
    /// Which scaler this is, as a header; one that fits into none is not said.
    identity: Option<MetadataValue<Ascii>>,
}

impl Service {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let identity = shared.identity.as_ref().and_then(|it| it.parse().ok());
        Service { shared, identity }
    }
}

#[tonic::async_trait]
impl Telemetry for Service {
    type StreamStream = ReceiverStream<Result<wire::ScalerMessage, Status>>;

    async fn stream(
        &self,
        request: Request<Streaming<wire::AgentMessage>>,
    ) -> Result<Response<Self::StreamStream>, Status> {
        let peer = request.remote_addr().map(|address| address.to_string());
        let span = info_span!(
            "agent",
            peer = peer.as_deref(),
            node = tracing::field::Empty
        );
        let identity = Identity::of(request.peer_certs().as_ref().map(|certs| certs.as_slice()));
        let (outbound, messages) = mpsc::channel(OUTBOUND);
        // The answer is there before the Hello is: agents wait for it, to know whom they have reached.
        let session = session::run(
            self.shared.clone(),
            identity,
            request.into_inner(),
            outbound,
        );
        tokio::spawn(session.instrument(span));
        let mut answer = Response::new(ReceiverStream::new(messages));
        if let Some(identity) = &self.identity {
            answer.metadata_mut().insert(SCALER, identity.clone());
        }
        Ok(answer)
    }
}
