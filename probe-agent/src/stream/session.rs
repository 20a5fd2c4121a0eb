//! One stream to one scaler, from hello to its end.

use std::error::Error;
use std::time::{Duration, Instant};

use prost::Message;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::{Endpoint, Uri};
use viperscale_proto::v1::agent_message::Message as Outgoing;
use viperscale_proto::v1::scaler_message::Message as Incoming;
use viperscale_proto::v1::telemetry_client::TelemetryClient;
use viperscale_proto::{SCALER, v1};

use super::following::{Following, StreamId};
use super::shared::Common;
use super::trouble::{advice, causes};
use crate::instruments;
use crate::report::report;

/// How long a scaler may take to answer a new stream.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Messages between this task and the connection. Small, because a report that waits should wait in
/// the outbox, where the oldest gives way.
const IN_FLIGHT: usize = 1;

/// Why a stream ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionEnd {
    #[error("no connection to the scaler at {uri}: {causes}; {advice}")]
    Connection {
        uri: Uri,
        causes: String,
        advice: &'static str,
    },
    #[error("the scaler did not answer within {ANSWER_WITHIN:?}")]
    NoAnswer,
    #[error("the scaler ended the stream: {:?}: {}", .0.code(), .0.message())]
    Status(tonic::Status),
    #[error("the scaler closed the stream")]
    Closed,
    #[error("another stream of this agent has reached this scaler, {0}")]
    AlreadyReached(String),
}

impl SessionEnd {
    fn connection(uri: &Uri, error: &(dyn Error + 'static)) -> Self {
        let causes = causes(error);
        SessionEnd::Connection {
            uri: uri.clone(),
            advice: advice(uri, &causes),
            causes,
        }
    }

    /// A status that has a cause was made on this side, because the connection broke.
    fn status(uri: &Uri, status: tonic::Status) -> Self {
        match status.source() {
            Some(cause) => Self::connection(uri, cause),
            None => SessionEnd::Status(status),
        }
    }
}

pub(super) struct Session<'a> {
    endpoint: &'a Endpoint,
    common: &'a Common,
    id: StreamId,
    followed: watch::Receiver<Following>,
    /// Whether the scaler has said anything.
    answered: bool,
}

impl<'a> Session<'a> {
    /// Runs a stream to its end; also tells whether the scaler ever answered it.
    pub(super) async fn run(endpoint: &'a Endpoint, common: &'a Common) -> (SessionEnd, bool) {
        let (id, followed) = common.open();
        // Also when the task is aborted, because its scaler is gone from the list.
        let _lost = LostOnDrop { common, id };
        let mut session = Session {
            endpoint,
            common,
            id,
            followed,
            answered: false,
        };
        match session.try_run().await {
            Ok(never) => match never {},
            Err(end) => (end, session.answered),
        }
    }

    async fn try_run(&mut self) -> Result<std::convert::Infallible, SessionEnd> {
        let uri = self.endpoint.uri().clone();
        let ended = |status| SessionEnd::status(&uri, status);
        let connecting = self.endpoint.connect().await;
        let channel = connecting.map_err(|error| SessionEnd::connection(&uri, &error))?;
        let (sender, receiver) = mpsc::channel(IN_FLIGHT);
        let mut client = TelemetryClient::new(channel);
        let answer = client.stream(ReceiverStream::new(receiver));
        let answer = timeout(ANSWER_WITHIN, answer)
            .await
            .map_err(|_| SessionEnd::NoAnswer)?
            .map_err(ended)?;
        // A scaler of before it said who it is, says nothing here.
        let scaler = answer.metadata().get(SCALER);
        let scaler = scaler.and_then(|scaler| scaler.to_str().ok());
        let scaler = scaler.map(str::to_owned);
        let mut incoming = answer.into_inner();
        if let Some(scaler) = scaler
            && !self.common.reached(self.id, &scaler)
        {
            // In order: nothing was said, and nothing will be.
            drop(sender);
            let _ = timeout(ANSWER_WITHIN, last_word(&mut incoming)).await;
            return Err(SessionEnd::AlreadyReached(scaler));
        }
        let hello = Outgoing::Hello(self.common.hello.clone());
        let sent = sender
            .send(v1::AgentMessage {
                message: Some(hello),
            })
            .await;
        sent.map_err(|_| SessionEnd::Closed)?;
        let mut sequence = 0;
        loop {
            let is_followed = self.followed.borrow_and_update().stream() == Some(self.id);
            tokio::select! {
                message = incoming.message() => {
                    self.hear(message.map_err(ended)?.ok_or(SessionEnd::Closed)?);
                }
                // The sender lives in `common`.
                _ = self.followed.changed() => {}
                sent = next_report(self.common, self.id, &sender, sequence + 1), if is_followed => match sent {
                    Ok(()) => sequence += 1,
                    Err(NobodyTakesReports) => {
                        let reason = timeout(ANSWER_WITHIN, last_word(&mut incoming)).await;
                        let reason = reason.ok().flatten();
                        return Err(reason.map_or(SessionEnd::Closed, ended));
                    }
                }
            }
        }
    }

    fn hear(&mut self, message: v1::ScalerMessage) {
        self.answered = true;
        match message.message {
            Some(Incoming::Configuration(configuration)) => {
                self.common.configured(self.id, configuration);
            }
            Some(Incoming::Standby(standby)) => {
                self.common.lost(self.id);
                self.common.told(standby);
            }
            None => {
                tracing::warn!("passing over a message of a kind that this agent does not know");
            }
        }
    }
}

/// Sends the next report once the connection has room for it. May be cancelled while it waits.
async fn next_report(
    common: &Common,
    stream: StreamId,
    sender: &mpsc::Sender<v1::AgentMessage>,
    sequence: u64,
) -> Result<(), NobodyTakesReports> {
    let room = sender.reserve().await.map_err(|_| NobodyTakesReports)?;
    let interval = common.reports.pop(stream).await;
    let dropped = common.reports.dropped();
    let report = report(interval, sequence, dropped, Instant::now());
    let bytes = report.encoded_len();
    room.send(v1::AgentMessage {
        message: Some(Outgoing::Report(report)),
    });
    instruments::report_sent(bytes, dropped);
    Ok(())
}

struct LostOnDrop<'a> {
    common: &'a Common,
    id: StreamId,
}

impl Drop for LostOnDrop<'_> {
    fn drop(&mut self) {
        self.common.lost(self.id);
        self.common.left(self.id);
    }
}

/// The connection has stopped taking what this side sends.
struct NobodyTakesReports;

/// Why the scaler ended the stream, if it says so. This direction may end before that is read.
async fn last_word(incoming: &mut Streaming<v1::ScalerMessage>) -> Option<tonic::Status> {
    loop {
        match incoming.message().await {
            Ok(Some(_too_late)) => {}
            Ok(None) => return None,
            Err(status) => return Some(status),
        }
    }
}
