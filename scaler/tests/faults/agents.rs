//! Node agents: they report what the load does to the pods that they were told to measure.

use std::collections::{HashSet, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Endpoint, Uri};
use viperscale_proto::v1 as wire;
use wire::telemetry_client::TelemetryClient;
use wire::{agent_message, scaler_message};

use crate::kubelet::DEPLOYMENTS;
use crate::oracle::{About, FAULTS_PER_POD};
use crate::wire::{Link, Wire};
use crate::world::{RunningPod, World, node_name};

const INTERVAL: Duration = Duration::from_secs(1);
const RECONNECT: Duration = Duration::from_millis(500);
/// Reports that wait for a scaler, as in the real agent; the oldest gives way.
const QUEUE: usize = 60;
/// CPU time that one pod's worth of load takes of `cart`, per second: half of its limit.
const CORES_PER_POD: f64 = 0.1;
/// Limit of every pod.
const LIMIT_CORES: f64 = 0.2;

/// What was measured during one interval.
struct Interval {
    /// Counts from the agent's start.
    number: u64,
    ended: Instant,
    containers: Vec<wire::ContainerSample>,
    about: About,
}

/// An agent's memory. Killing the agent drops it.
#[derive(Default)]
struct Agent {
    /// No other start of an agent has it.
    instance: String,
    intervals: u64,
    targets: HashSet<String>,
    queue: VecDeque<Interval>,
    sequence: u64,
}

/// Runs until it is aborted.
pub(crate) async fn run(world: Arc<World>, node: usize) {
    let mut agent = Agent {
        instance: format!("{:?}", world.lock().now),
        ..Agent::default()
    };
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        if let Some((end, link)) = world.dial(node) {
            // However it ends, the next stream comes soon.
            let _ = agent.converse(&world, node, end, &link, &mut ticks).await;
        }
        let again = Instant::now() + RECONNECT;
        while Instant::now() < again {
            tokio::select! {
                biased;
                _ = ticks.tick() => agent.measure(&world, node),
                () = sleep(RECONNECT) => {}
            }
        }
    }
}

impl Agent {
    async fn converse(
        &mut self,
        world: &Arc<World>,
        node: usize,
        end: Wire,
        link: &Link,
        ticks: &mut tokio::time::Interval,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let mut end = Some(end);
        let connector = tower::service_fn(move |_: Uri| {
            let end = end.take();
            let used = || io::Error::from(io::ErrorKind::NotConnected);
            async move { end.map(TokioIo::new).ok_or_else(used) }
        });
        let endpoint = Endpoint::from_static("http://scaler.invalid")
            .http2_keep_alive_interval(Duration::from_secs(5))
            .keep_alive_timeout(Duration::from_secs(5));
        let channel = endpoint.connect_with_connector(connector).await?;
        let (outbound, messages) = mpsc::channel(1);
        let hello = wire::Hello {
            node_name: node_name(node),
            cpus: 4,
            instance: self.instance.clone(),
            ..wire::Hello::default()
        };
        outbound
            .send(message(agent_message::Message::Hello(hello)))
            .await?;
        let mut client = TelemetryClient::new(channel);
        let stream = client.stream(ReceiverStream::new(messages)).await?;
        let mut inbound = stream.into_inner();
        self.sequence = 0;
        // As real agents do: reports are for the scaler that configures, and none for a standby.
        let mut followed = false;
        loop {
            tokio::select! {
                biased;
                received = inbound.message() => match received?.and_then(|it| it.message) {
                    Some(scaler_message::Message::Configuration(configuration)) => {
                        followed = true;
                        let targets = configuration.targets.into_iter();
                        self.targets = targets.map(|target| target.pod_uid).collect();
                    }
                    Some(scaler_message::Message::Standby(_)) => followed = false,
                    None => return Ok(()),
                },
                _ = ticks.tick() => {
                    self.measure(world, node);
                    // Agents find the leader: here, because the world tells them.
                    if !world.is_leader(link.scaler) {
                        return Ok(());
                    }
                }
                room = outbound.reserve(), if followed && !self.queue.is_empty() => {
                    let room = room?;
                    if let Some(interval) = self.queue.pop_front() {
                        self.sequence += 1;
                        let age = interval.ended.elapsed();
                        link.sent(interval.about, age);
                        let report = report(self.sequence, age, interval);
                        room.send(message(agent_message::Message::Report(report)));
                    }
                }
            }
        }
    }

    /// Ends an interval.
    fn measure(&mut self, world: &World, node: usize) {
        let (pods, load) = {
            let state = world.lock();
            (state.pods.clone(), state.load_pods)
        };
        self.intervals += 1;
        let mut interval = Interval {
            number: self.intervals,
            ended: Instant::now(),
            containers: Vec::new(),
            about: About::default(),
        };
        for deployment in 0..DEPLOYMENTS.len() {
            let of = |pod: &&RunningPod| pod.deployment == deployment;
            let ready = pods.iter().filter(of).filter(|pod| pod.ready).count();
            let share = load / ready.max(1) as f64;
            for pod in pods.iter().filter(of).filter(|pod| pod.node == node) {
                if self.targets.contains(&pod.uid) {
                    let share = if pod.ready { share } else { 0.0 };
                    interval.containers.push(sample(&pod.uid, share));
                    interval.about[deployment] = true;
                }
            }
        }
        self.queue.push_back(interval);
        if self.queue.len() > QUEUE {
            self.queue.pop_front();
        }
    }
}

fn message(message: agent_message::Message) -> wire::AgentMessage {
    wire::AgentMessage {
        message: Some(message),
    }
}

fn report(sequence: u64, age: Duration, interval: Interval) -> wire::Report {
    wire::Report {
        sequence,
        interval_ns: 1_000_000_000,
        age_ns: u64::try_from(age.as_nanos()).unwrap(),
        node: Some(wire::NodeSample {
            cpus: 4,
            busy_ns: 800_000_000,
            ..wire::NodeSample::default()
        }),
        containers: interval.containers,
        interval_number: interval.number,
        ..wire::Report::default()
    }
}

/// What a pod that carries `share` pods' worth of load goes through in a second.
fn sample(uid: &str, share: f64) -> wire::ContainerSample {
    let faults = (share * FAULTS_PER_POD).round() as u64;
    let wanted = share * CORES_PER_POD;
    let on_cpu = wanted.min(LIMIT_CORES);
    let crowded = wanted > 0.8 * LIMIT_CORES;
    // Bursts of 2 ms; they wait for half a millisecond or for some 25.
    let bursts = (on_cpu / 0.002).round() as u64;
    let bucket: u32 = if crowded { 24 } else { 19 };
    let mut buckets = vec![0; bucket as usize + 1];
    buckets[bucket as usize] = bursts;
    let metric = |metric: wire::Metric, count, sum, log2_buckets| wire::MetricSample {
        metric: metric.into(),
        count,
        sum,
        log2_buckets,
        sampling: 1.0,
        relative_error: 0.0,
    };
    let wait = bursts * (3u64 << (bucket - 1));
    wire::ContainerSample {
        pod_uid: uid.to_owned(),
        container_name: "server".to_owned(),
        metrics: vec![
            metric(wire::Metric::UserPageFaults, faults, faults, Vec::new()),
            metric(wire::Metric::RunqLatency, bursts, wait, buckets),
        ],
        scheduling: Some(wire::Scheduling {
            on_cpu_ns: (on_cpu * 1e9) as u64,
            wait_ns: wait,
            voluntary_switches: bursts,
            quota_periods: 10,
            throttled_periods: if crowded { 8 } else { 0 },
            throttled_ns: if crowded { wait } else { 0 },
            ..wire::Scheduling::default()
        }),
    }
}
