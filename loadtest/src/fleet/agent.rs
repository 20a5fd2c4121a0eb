//! One simulated agent: a connection of its own, one stream, one report a second.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use backon::{BackoffBuilder, ExponentialBuilder};
use bytes::Bytes;
use futures::{Stream, stream};
use http::uri::PathAndQuery;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tonic::client::Grpc;
use tonic::transport::Endpoint;
use tonic::{Request, Status, Streaming};
use viperscale_proto::v1::{self, scaler_message};

use super::codec::Encoded;
use super::reports::{self, Names, Numbers, Samples};

/// Time between reports.
pub(super) const INTERVAL: Duration = Duration::from_secs(1);
/// A report that leaves this much after its time is late: the simulator does not keep up.
const LATE: Duration = Duration::from_millis(100);
/// How long the scaler may take to answer a new stream, as for a real agent.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
const METHOD: &str = "/viperscale.v1.Telemetry/Stream";

/// A hot report that has just been handed to the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Crossed {
    pub(super) node: u32,
    pub(super) at: SystemTime,
}

/// What all agents share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) endpoint: Endpoint,
    pub(super) samples: Samples,
    pub(super) pods_per_node: usize,
    /// While it is set no reports are made, so that those under way can be counted.
    pub(super) muted: AtomicBool,
    /// Every stream is cut when this changes.
    pub(super) cuts: watch::Receiver<u64>,
    /// Where hot reports are told of. When it is full one is lost, which costs one measurement.
    pub(super) crossed: mpsc::Sender<Crossed>,
    pub(super) counts: Counts,
}

/// Over all agents, since the start.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Reports handed to connections.
    pub(super) reports: AtomicU64,
    /// Those of them that left late.
    pub(super) late: AtomicU64,
    /// Streams that the scaler or the network ended.
    pub(super) ended: AtomicU64,
    /// Configurations that name another number of containers than the node has.
    pub(super) wrong_configurations: AtomicU64,
}

/// One agent.
#[derive(Debug)]
pub(super) struct Agent {
    pub(super) node: u32,
    pub(super) names: Names,
    /// When it reports first; then once per [`INTERVAL`].
    pub(super) first_report: Instant,
    /// The row of the container that crosses the threshold in the next report, from 1; 0 is none.
    pub(super) hot: AtomicU32,
    /// The cut after which it was last configured, plus 1; 0 is never.
    pub(super) configured_after: AtomicU64,
    /// Revision of its configuration; 0 without one.
    revision: AtomicU64,
    /// Intervals that it has reported.
    intervals: AtomicU64,
}

impl Agent {
    pub(super) fn new(node: u32, names: Names, first_report: Instant) -> Self {
        Self {
            node,
            names,
            first_report,
            hot: AtomicU32::new(0),
            configured_after: AtomicU64::new(0),
            revision: AtomicU64::new(0),
            intervals: AtomicU64::new(0),
        }
    }

    /// Holds the stream for ever, coming back as a real agent does: after 0.2 to 0.4 s, then twice as
    /// long each time, up to 10 s.
    pub(super) async fn run(self: Arc<Self>, shared: Arc<Shared>) {
        let delays = || {
            ExponentialBuilder::default()
                .with_min_delay(Duration::from_millis(200))
                .with_max_delay(Duration::from_secs(5))
                .with_factor(2.0)
                .without_max_times()
                .with_jitter()
                .build()
        };
        let mut backoff = delays();
        loop {
            let before = self.configured_after.load(Ordering::Relaxed);
            if let Err(status) = self.session(&shared).await {
                tracing::debug!(node = self.node, %status, "stream ended");
                shared.counts.ended.fetch_add(1, Ordering::Relaxed);
            }
            if self.configured_after.load(Ordering::Relaxed) != before {
                backoff = delays();
            }
            sleep(backoff.next().unwrap_or(Duration::from_secs(10))).await;
        }
    }

    /// One stream, until it is cut (`Ok`) or ends by itself.
    async fn session(self: &Arc<Self>, shared: &Arc<Shared>) -> Result<(), Status> {
        let mut cuts = shared.cuts.clone();
        let cut = *cuts.borrow_and_update();
        tokio::select! {
            changed = cuts.changed() => match changed {
                Ok(()) => Ok(()),
                // The run is over; this task is about to be dropped.
                Err(_) => std::future::pending().await,
            },
            end = self.converse(shared, cut) => end,
        }
    }

    async fn converse(self: &Arc<Self>, shared: &Arc<Shared>, cut: u64) -> Result<(), Status> {
        let unreachable = |error: tonic::transport::Error| Status::unavailable(error.to_string());
        let channel = shared.endpoint.connect().await.map_err(unreachable)?;
        let mut client = Grpc::new(channel);
        client.ready().await.map_err(unreachable)?;
        let outgoing = Request::new(self.clone().messages(shared.clone()));
        let path = PathAndQuery::from_static(METHOD);
        let mut incoming: Streaming<v1::ScalerMessage> =
            timeout(ANSWER_WITHIN, client.streaming(outgoing, path, Encoded))
                .await
                .map_err(|_| Status::deadline_exceeded("no answer"))??
                .into_inner();
        while let Some(message) = incoming.message().await? {
            let configuration = match message.message {
                Some(scaler_message::Message::Configuration(configuration)) => configuration,
                Some(scaler_message::Message::Standby(_)) => {
                    self.revision.store(0, Ordering::Relaxed);
                    continue;
                }
                None => continue,
            };
            if configuration.targets.len() != shared.pods_per_node {
                shared
                    .counts
                    .wrong_configurations
                    .fetch_add(1, Ordering::Relaxed);
            }
            self.revision
                .store(configuration.revision, Ordering::Relaxed);
            self.configured_after.store(cut + 1, Ordering::Relaxed);
        }
        Err(Status::unavailable("the scaler closed the stream"))
    }

    /// The hello and then the reports, each made when it is due. None before the first configuration:
    /// until then the scaler does not lead, and takes none.
    fn messages(
        self: Arc<Self>,
        shared: Arc<Shared>,
    ) -> impl Stream<Item = Bytes> + Send + 'static {
        let next = self.next_tick(Instant::now());
        stream::unfold((0_u64, next), move |(sequence, due)| {
            let (agent, shared) = (self.clone(), shared.clone());
            async move {
                if sequence == 0 {
                    return Some((reports::hello(agent.node), (1, due)));
                }
                let mut due = due;
                sleep_until(due).await;
                while shared.muted.load(Ordering::Relaxed)
                    || agent.revision.load(Ordering::Relaxed) == 0
                {
                    due = agent.next_tick(Instant::now());
                    sleep_until(due).await;
                }
                let message = agent.next_report(&shared, sequence, due);
                Some((message, (sequence + 1, agent.next_tick(Instant::now()))))
            }
        })
    }

    fn next_report(&self, shared: &Shared, sequence: u64, due: Instant) -> Bytes {
        let hot = self.hot.swap(0, Ordering::Relaxed).checked_sub(1);
        let numbers = Numbers {
            sequence,
            interval: self.intervals.fetch_add(1, Ordering::Relaxed) + 1,
            revision: self.revision.load(Ordering::Relaxed),
        };
        let hot_row = hot.map(|row| row as usize);
        let message = reports::report(&shared.samples, &self.names, numbers, hot_row);
        shared.counts.reports.fetch_add(1, Ordering::Relaxed);
        if due.elapsed() > LATE {
            shared.counts.late.fetch_add(1, Ordering::Relaxed);
        }
        if hot.is_some() {
            let crossed = Crossed {
                node: self.node,
                at: SystemTime::now(),
            };
            let _ = shared.crossed.try_send(crossed);
        }
        message
    }

    /// The first tick after `now` on the grid that starts with the first report.
    fn next_tick(&self, now: Instant) -> Instant {
        tick_after(self.first_report, now)
    }
}

fn tick_after(first: Instant, now: Instant) -> Instant {
    match now.checked_duration_since(first) {
        None => first,
        Some(passed) => {
            let ticks = passed.as_nanos() / INTERVAL.as_nanos() + 1;
            // A run lasts hours, not the 136 years that this would take to overflow.
            first + INTERVAL * u32::try_from(ticks).unwrap_or(u32::MAX)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn ticks_stay_on_their_grid() {
        let first = Instant::now() + Duration::from_millis(300);
        let at = |ms| Instant::now() + Duration::from_millis(ms);
        assert_eq!(tick_after(first, at(0)), first);
        assert_eq!(
            tick_after(first, at(300)),
            at(1_300),
            "this one has just been sent"
        );
        assert_eq!(tick_after(first, at(5_250)), at(5_300));
        assert_eq!(tick_after(first, at(5_310)), at(6_300));
    }
}
