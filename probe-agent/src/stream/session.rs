//! One stream, from hello to its end.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use viperscale_proto::v1;
use viperscale_proto::v1::agent_message::Message as Outgoing;
use viperscale_proto::v1::scaler_message::Message as Incoming;
use viperscale_proto::v1::telemetry_client::TelemetryClient;

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
    #[error("cannot connect to the scaler at {uri}: {}; is it running and reachable?", Chain(.source))]
    Connect {
        uri: String,
        source: tonic::transport::Error,
    },
    #[error("the scaler did not answer within {ANSWER_WITHIN:?}")]
    NoAnswer,
    #[error("the scaler ended the stream: {:?}: {}", .0.code(), .0.message())]
    Status(#[from] tonic::Status),
    #[error("the scaler closed the stream")]
    Closed,
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
        let channel = endpoint
            .connect()
            .await
            .map_err(|source| SessionEnd::Connect {
                uri: endpoint.uri().to_string(),
                source,
            })?;
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
            .map_err(|_| SessionEnd::NoAnswer)??;
        let mut incoming = answer.into_inner();
        let mut sequence = 0;
        loop {
            tokio::select! {
                message = incoming.message() => self.follow(message?.ok_or(SessionEnd::Closed)?),
                report = self.next_report(&sender, sequence + 1) => {
                    report?;
                    sequence += 1;
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
    ) -> Result<(), SessionEnd> {
        let room = sender.reserve().await.map_err(|_| SessionEnd::Closed)?;
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

/// An error with its causes: tonic's own text is only "transport error".
struct Chain<'error>(&'error (dyn std::error::Error + 'static));

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
