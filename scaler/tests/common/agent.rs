//! A node agent that says what a test wants said.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};
use viperscale_proto::v1 as wire;
use viperscale_proto::v1::scaler_message::Message;
use viperscale_proto::v1::telemetry_client::TelemetryClient;

use super::DEADLINE;

pub(super) type Inbound = Streaming<wire::ScalerMessage>;

pub(super) async fn open_stream(address: &str) -> (mpsc::Sender<wire::AgentMessage>, Inbound) {
    let mut client = TelemetryClient::connect(address.to_owned()).await.unwrap();
    let (sender, messages) = mpsc::channel(16);
    let inbound = client
        .stream(ReceiverStream::new(messages))
        .await
        .unwrap()
        .into_inner();
    (sender, inbound)
}

/// A node agent that reports what it is told to.
pub(crate) struct Agent {
    outbound: mpsc::Sender<wire::AgentMessage>,
    inbound: Inbound,
    sequence: u64,
    /// The number that the next reports carry; 0 is none.
    pub(crate) interval_number: u64,
    /// How long the reports claim to have waited in the agent's queue.
    pub(crate) age: Duration,
}

impl Agent {
    pub(crate) async fn connect(address: &str, node: &str) -> Self {
        let (outbound, inbound) = open_stream(address).await;
        outbound.send(hello(node)).await.unwrap();
        Agent {
            outbound,
            inbound,
            sequence: 0,
            interval_number: 0,
            age: Duration::ZERO,
        }
    }

    /// The next message, or the status that ended the stream.
    async fn hear(&mut self) -> Result<Message, Status> {
        let next = tokio::time::timeout(DEADLINE, self.inbound.message());
        let message = next
            .await
            .expect("nothing from the scaler")?
            .expect("the stream ended");
        Ok(message.message.expect("an empty message"))
    }

    /// The next configuration, or the status that ended the stream.
    pub(crate) async fn configuration(&mut self) -> Result<wire::Configuration, Status> {
        loop {
            if let Message::Configuration(configuration) = self.hear().await? {
                return Ok(configuration);
            }
        }
    }

    /// The next word that the scaler does not lead, with the leader's address if it knows one.
    pub(crate) async fn standby(&mut self) -> wire::Standby {
        loop {
            if let Message::Standby(standby) = self.hear().await.unwrap() {
                return standby;
            }
        }
    }

    /// The next configuration with this many targets.
    pub(crate) async fn configuration_of(&mut self, targets: usize) -> wire::Configuration {
        loop {
            let configuration = self.configuration().await.unwrap();
            if configuration.targets.len() == targets {
                return configuration;
            }
        }
    }

    /// Reports that threads of `pod`'s container waited about 24 ms each time they ran.
    pub(crate) async fn report_waiting(&mut self, pod: &str) {
        self.report_waits(pod, 24).await; // 17 to 34 ms
    }

    /// The same with about 0.8 ms, which is below the threshold of [`policy`].
    pub(crate) async fn report_calm(&mut self, pod: &str) {
        self.report_waits(pod, 19).await; // 0.5 to 1.0 ms
    }

    /// Reports 1000 waits in this bucket.
    async fn report_waits(&mut self, pod: &str, bucket: usize) {
        let mut buckets = vec![0; bucket + 1];
        buckets[bucket] = 1000;
        let sample = wire::MetricSample {
            metric: wire::Metric::RunqLatency.into(),
            count: 1000,
            sum: 1500 << bucket, // the middle of the bucket, each
            log2_buckets: buckets,
            sampling: 0.5,
            relative_error: 0.02,
        };
        let container = wire::ContainerSample {
            pod_uid: pod.to_owned(),
            container_name: "server".to_owned(),
            metrics: vec![sample],
            scheduling: Some(wire::Scheduling {
                on_cpu_ns: 40_000_000,
                wait_ns: 4_000_000_000,
                voluntary_switches: 1000,
                ..wire::Scheduling::default()
            }),
        };
        self.report(vec![container]).await;
    }

    /// Reports calm pods that were on a CPU for so many milliseconds each.
    pub(crate) async fn report_work(&mut self, pods: &[(&str, u64)]) {
        let container = |(pod, on_cpu_ms): &(&str, u64)| {
            let mut buckets = vec![0; 15];
            buckets[14] = 1000; // 16 to 33 us
            wire::ContainerSample {
                pod_uid: (*pod).to_owned(),
                container_name: "server".to_owned(),
                metrics: vec![wire::MetricSample {
                    metric: wire::Metric::RunqLatency.into(),
                    count: 1000,
                    sum: 1500 << 14,
                    log2_buckets: buckets,
                    sampling: 0.5,
                    relative_error: 0.0,
                }],
                scheduling: Some(wire::Scheduling {
                    on_cpu_ns: on_cpu_ms * 1_000_000,
                    voluntary_switches: 1000,
                    ..wire::Scheduling::default()
                }),
            }
        };
        self.report(pods.iter().map(container).collect()).await;
    }

    pub(crate) async fn report(&mut self, containers: Vec<wire::ContainerSample>) {
        self.sequence += 1;
        let report = wire::Report {
            sequence: self.sequence,
            interval_ns: 200_000_000,
            node: Some(wire::NodeSample {
                cpus: 4,
                busy_ns: 80_000_000,
                ..wire::NodeSample::default()
            }),
            containers,
            age_ns: u64::try_from(self.age.as_nanos()).unwrap(),
            interval_number: self.interval_number,
            ..wire::Report::default()
        };
        self.send(wire::AgentMessage {
            message: Some(wire::agent_message::Message::Report(report)),
        })
        .await;
    }

    pub(crate) async fn send(&self, message: wire::AgentMessage) {
        self.outbound
            .send(message)
            .await
            .expect("the stream is closed");
    }
}

pub(crate) fn hello(node: &str) -> wire::AgentMessage {
    let hello = wire::Hello {
        node_name: node.to_owned(),
        cpus: 4,
        ..wire::Hello::default()
    };
    wire::AgentMessage {
        message: Some(wire::agent_message::Message::Hello(hello)),
    }
}
