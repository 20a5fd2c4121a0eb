//! One stream, from hello to its end.

use std::error::Error;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Uri;
use viperscale_proto::v1;
use viperscale_proto::v1::agent_message::Message as Outgoing;
use viperscale_proto::v1::scaler_message::Message as Incoming;
use viperscale_proto::v1::telemetry_client::TelemetryClient;

use super::trouble::{advice, causes};
use super::{Link, Stream};
use crate::instruments;
use crate::plan::Plan;
use crate::report::report;

/// How long a scaler may take to answer a new stream.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Messages between this task and the connection. Small, because a report that waits should wait in
/// the queue, where the oldest gives way.
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

pub(super) struct Session<'stream> {
    pub(super) stream: &'stream Stream,
}

impl Session<'_> {
    pub(super) async fn run(self) -> SessionEnd {
        match self.try_run().await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    async fn try_run(self) -> Result<std::convert::Infallible, SessionEnd> {
        let endpoint = &self.stream.endpoint;
        let uri = endpoint.uri();
        let ended = |status| SessionEnd::status(uri, status);
        let connecting = endpoint.connect().await;
        let channel = connecting.map_err(|error| SessionEnd::connection(uri, &error))?;
        let (sender, receiver) = mpsc::channel(IN_FLIGHT);
        let hello = Outgoing::Hello(self.stream.hello.clone());
        let sent = sender
            .send(v1::AgentMessage {
                message: Some(hello),
            })
            .await;
        sent.map_err(|_| SessionEnd::Closed)?;

        let mut client = TelemetryClient::new(channel);
        let answer = client.stream(ReceiverStream::new(receiver));
        let answer = timeout(ANSWER_WITHIN, answer)
            .await
            .map_err(|_| SessionEnd::NoAnswer)?
            .map_err(ended)?;
        let mut incoming = answer.into_inner();
        let mut sequence = 0;
        loop {
            tokio::select! {
                message = incoming.message() => {
                    self.follow(message.map_err(ended)?.ok_or(SessionEnd::Closed)?);
                }
                sent = self.next_report(&sender, sequence + 1) => match sent {
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

    fn follow(&self, message: v1::ScalerMessage) {
        let Some(Incoming::Configuration(configuration)) = message.message else {
            tracing::warn!("passing over a message of a kind that this agent does not know");
            return;
        };
        tracing::info!(
            revision = configuration.revision,
            targets = configuration.targets.len(),
            "configuration"
        );
        self.stream.orders.follow(Plan::from_configuration(
            configuration,
            self.stream.default_interval,
        ));
        if self.stream.link.send_replace(Link::Up) != Link::Up {
            instruments::stream_up();
        }
    }

    /// Sends the next report once the connection has room for it. May be cancelled while it waits.
    async fn next_report(
        &self,
        sender: &mpsc::Sender<v1::AgentMessage>,
        sequence: u64,
    ) -> Result<(), NobodyTakesReports> {
        let room = sender.reserve().await.map_err(|_| NobodyTakesReports)?;
        let interval = self.stream.reports.pop().await;
        let dropped = self.stream.reports.dropped();
        let report = report(interval, sequence, dropped, Instant::now());
        room.send(v1::AgentMessage {
            message: Some(Outgoing::Report(report)),
        });
        instruments::report_sent(dropped);
        Ok(())
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
