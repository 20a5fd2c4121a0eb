//! All simulated agents, on a thread of their own: what the probe measures must not wait for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::transport::Endpoint;

use super::agent::{Agent, Counts, Crossed, INTERVAL, Shared};
use super::plan::Plan;
use super::reports::{Names, Samples};

/// Hot reports that nobody has looked at yet; the probe sends far fewer.
const CROSSED: usize = 256;
/// The same phases in every run.
const SEED: u64 = 0xf1ee7;

/// Every agent of the cluster, running until it is dropped.
#[derive(Debug)]
pub(super) struct Fleet {
    agents: Vec<Arc<Agent>>,
    shared: Arc<Shared>,
    cuts: watch::Sender<u64>,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Fleet {
    /// Starts the agents, which connect to `endpoint` spread over one interval, as nodes do that
    /// were not started by one hand, and report at random phases of the second.
    ///
    /// # Errors
    /// When there is no thread or runtime for them.
    pub(super) fn start(plan: Plan, endpoint: Endpoint) -> Result<(Self, mpsc::Receiver<Crossed>)> {
        let (crossed, hot_reports) = mpsc::channel(CROSSED);
        let (cuts, cut) = watch::channel(0);
        let pods_of_one = plan.pods_of(0).len();
        let shared = Arc::new(Shared {
            endpoint,
            samples: Samples::new(u32::try_from(pods_of_one).unwrap_or(u32::MAX)),
            pods_per_node: plan.pods_per_node as usize,
            muted: AtomicBool::new(false),
            cuts: cut,
            crossed,
            counts: Counts::default(),
        });
        let mut random = ChaCha8Rng::seed_from_u64(SEED);
        let start = Instant::now() + INTERVAL;
        let agents: Vec<Arc<Agent>> = (0..plan.nodes)
            .map(|node| {
                let phase = INTERVAL.mul_f64(random.random_range(0.0..1.0));
                Arc::new(Agent::new(node, Names::of(plan, node), start + phase))
            })
            .collect();
        let stop = CancellationToken::new();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start the agents' runtime")?;
        let everything = run_all(agents.clone(), shared.clone(), stop.clone());
        let thread = std::thread::Builder::new()
            .name("agents".to_owned())
            .spawn(move || runtime.block_on(everything))
            .context("cannot start the agents' thread")?;
        let fleet = Self {
            agents,
            shared,
            cuts,
            stop,
            thread: Some(thread),
        };
        Ok((fleet, hot_reports))
    }

    /// Has the container in `row` of `node` cross the threshold in the node's next report.
    pub(super) fn heat(&self, node: u32, row: u32) {
        if let Some(agent) = self.agents.get(node as usize) {
            agent.hot.store(row + 1, Ordering::Relaxed);
        }
    }

    /// Keeps all agents from reporting, or lets them again. Streams stay.
    pub(super) fn mute(&self, muted: bool) {
        self.shared.muted.store(muted, Ordering::Relaxed);
    }

    /// Cuts every stream at once.
    pub(super) fn cut(&self) {
        self.cuts.send_modify(|cut| *cut += 1);
    }

    /// Agents that have their configuration on a stream from after the last cut.
    pub(super) fn configured(&self) -> usize {
        let now = *self.cuts.borrow() + 1;
        let configured =
            |agent: &&Arc<Agent>| agent.configured_after.load(Ordering::Relaxed) == now;
        self.agents.iter().filter(configured).count()
    }

    /// What the agents have counted.
    pub(super) fn counts(&self) -> &Counts {
        &self.shared.counts
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            // It panicked if this fails, and has said so.
            let _ = thread.join();
        }
    }
}

/// Starts one agent after the other over one interval and runs them until `stop`.
async fn run_all(agents: Vec<Arc<Agent>>, shared: Arc<Shared>, stop: CancellationToken) {
    let pause = INTERVAL / u32::try_from(agents.len().max(1)).unwrap_or(u32::MAX);
    let began = Instant::now();
    let mut running = JoinSet::new();
    for (number, agent) in (0_u32..).zip(agents) {
        let due = began + pause * number;
        if due > Instant::now() + Duration::from_millis(1) {
            tokio::time::sleep_until(due).await;
        }
        running.spawn(agent.run(shared.clone()));
    }
    stop.cancelled().await;
    // Dropping the set ends the agents, and with them their connections.
}
