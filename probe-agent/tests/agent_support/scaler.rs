//! A scaler that records what agents say and tells them what it is told to.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};
use viperscale_proto::v1;
use viperscale_proto::v1::agent_message::Message as FromAgent;
use viperscale_proto::v1::scaler_message::Message as ToAgent;
use viperscale_proto::v1::telemetry_server::{Telemetry, TelemetryServer};

use super::DEADLINE;

/// A running server; ends, with all its connections, when dropped.
#[derive(Debug)]
pub struct Scaler {
    pub address: SocketAddr,
    messages: mpsc::Receiver<FromAgent>,
    configuration: watch::Sender<Option<v1::Configuration>>,
    server: JoinHandle<()>,
}

impl Scaler {
    /// A server on a port of its own, which gives every agent `configuration` at once.
    pub async fn start(configuration: v1::Configuration) -> Self {
        Self::start_at("127.0.0.1:0".parse().expect("an address"), configuration).await
    }

    /// One that says that it does not lead, until it has a configuration.
    pub async fn start_standby() -> Self {
        Self::serve("127.0.0.1:0".parse().expect("an address"), None).await
    }

    /// The same at a given address, which may still be in use for a moment.
    pub async fn start_at(address: SocketAddr, configuration: v1::Configuration) -> Self {
        Self::serve(address, Some(configuration)).await
    }

    async fn serve(address: SocketAddr, configuration: Option<v1::Configuration>) -> Self {
        let listener = timeout(DEADLINE, async {
            loop {
                match TcpListener::bind(address).await {
                    Ok(listener) => break listener,
                    Err(_in_use) => sleep(Duration::from_millis(20)).await,
                }
            }
        });
        let listener = listener.await.expect("the address is free");
        let address = listener.local_addr().expect("an address");
        let (sender, messages) = mpsc::channel(1_000);
        let (configuration, followed) = watch::channel(configuration);
        let service = TelemetryServer::new(Recorder {
            messages: sender,
            configuration: followed,
        });
        let server = tokio::spawn(async move {
            let incoming = TcpListenerStream::new(listener);
            let _ = Server::builder()
                .add_service(service)
                .serve_with_incoming(incoming)
                .await;
        });
        Self {
            address,
            messages,
            configuration,
            server,
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn configure(&self, configuration: v1::Configuration) {
        self.configuration.send_replace(Some(configuration));
    }

    pub async fn hello(&mut self) -> v1::Hello {
        loop {
            if let FromAgent::Hello(hello) = self.next().await {
                return hello;
            }
        }
    }

    pub async fn report(&mut self) -> v1::Report {
        loop {
            if let FromAgent::Report(report) = self.next().await {
                return report;
            }
        }
    }

    /// The first report that satisfies `condition`.
    pub async fn report_where(
        &mut self,
        what: &str,
        condition: impl Fn(&v1::Report) -> bool,
    ) -> v1::Report {
        let search = async {
            loop {
                let report = self.report().await;
                if condition(&report) {
                    return report;
                }
            }
        };
        timeout(DEADLINE, search)
            .await
            .unwrap_or_else(|_| panic!("no report where {what}"))
    }

    /// Ends the server and every stream.
    pub async fn stop(self) {
        self.server.abort();
        let Self { mut server, .. } = self;
        let _ = (&mut server).await;
    }

    async fn next(&mut self) -> FromAgent {
        let message = timeout(DEADLINE, self.messages.recv()).await;
        message
            .expect("the agent says something")
            .expect("the server runs")
    }
}

struct Recorder {
    messages: mpsc::Sender<FromAgent>,
    configuration: watch::Receiver<Option<v1::Configuration>>,
}

#[tonic::async_trait]
impl Telemetry for Recorder {
    type StreamStream = ReceiverStream<Result<v1::ScalerMessage, Status>>;

    async fn stream(
        &self,
        request: Request<Streaming<v1::AgentMessage>>,
    ) -> Result<Response<Self::StreamStream>, Status> {
        let (sender, receiver) = mpsc::channel(1);
        let (mut incoming, messages) = (request.into_inner(), self.messages.clone());
        let mut configuration = self.configuration.clone();
        configuration.mark_changed();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    changed = configuration.changed() => {
                        // The scaler was dropped: so is this stream.
                        if changed.is_err() { return }
                        let message = match configuration.borrow_and_update().clone() {
                            Some(configuration) => ToAgent::Configuration(configuration),
                            None => ToAgent::Standby(v1::Standby::default()),
                        };
                        let _ = sender.send(Ok(v1::ScalerMessage { message: Some(message) })).await;
                    }
                    message = incoming.message() => {
                        let Ok(Some(v1::AgentMessage { message: Some(message) })) = message else { return };
                        if messages.send(message).await.is_err() { return }
                    }
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}
