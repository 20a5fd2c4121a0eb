//! One simulation: hosts, faults and time.

use std::cell::Cell;
use std::future::ready;
use std::sync::{Arc, Once};
use std::time::Duration;

use local_apiserver::{InProcess, StoreLimits};
use scaler::admin::Readiness;
use scaler::clock::Clock;
use scaler::config::ChangeLimits;
use scaler::election::{Runtime, Timing};
use scaler::parts::{self, Candidacy, Ground, Writes};
use scaler::policies::{Objects, PolicySet, target_of};
use scaler::recording::Recorder;
use scaler_core::policy;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

use crate::faults::{Kind, NODES, SCALERS};
use crate::host::{Host, TICK, lease_time, wall_time};
use crate::kubelet::{self, DEPLOYMENTS, Order};
use crate::oracle::BOUNDS;
use crate::schedule::{HORIZON_MS, LONGEST_MS, Schedule};
use crate::world::{World, identity};
use crate::{agents, api};

/// From the end of the last fault to the judgement: a dead connection is noticed within 40 s, a watch
/// that resumed without a word counts as failing for 15 s more, and replicas need some decisions.
const HEALING: Duration = Duration::from_secs(120);
/// How long nothing may have changed by then.
const QUIET: Duration = Duration::from_secs(10);
/// Changes that the API server remembers for each kind: few, so that a late watch may expire.
const HISTORY: usize = 48;

thread_local! {
    /// Panics of this thread, on which a whole simulation runs.
    static PANICS: Cell<u32> = const { Cell::new(0) };
}

/// Runs a schedule. Returns the story and whether everything held.
pub(crate) fn simulate(seed: u64, schedule: &Schedule) -> (Vec<String>, Result<(), String>) {
    count_panics();
    // Back-off is jittered by this generator, here and in kube.
    fastrand::seed(seed);
    let mut simulation = Simulation::new(seed);
    let end = Duration::from_millis(HORIZON_MS + LONGEST_MS) + HEALING;
    while simulation.now() < end && simulation.verdict().is_ok() {
        simulation.step(schedule);
    }
    simulation.judge();
    let verdict = simulation.verdict();
    let story = std::mem::take(&mut simulation.world.lock().oracle.story);
    (story, verdict)
}

/// A panic in a task is swallowed by the runtime; here it is a violation.
fn count_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PANICS.set(PANICS.get() + 1);
            print(info);
        }));
    });
    PANICS.set(0);
}

struct Simulation {
    world: Arc<World>,
    ground: Host,
    scalers: [Option<Host>; SCALERS],
    /// How often each was started.
    lives: [u32; SCALERS],
    frozen: [bool; SCALERS],
    agents: [Option<AbortHandle>; NODES],
    calls: mpsc::UnboundedSender<api::Call>,
    orders: mpsc::Sender<Order>,
    now: Duration,
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let world = World::new(seed);
        let limits = StoreLimits {
            history: HISTORY,
            ..StoreLimits::default()
        };
        let server = InProcess::new(limits).unwrap();
        let ground = Host::new();
        let (calls, received) = mpsc::unbounded_channel();
        ground.spawn(api::serve(world.clone(), server, received));
        let (orders, ordered) = mpsc::channel(16);
        let (kubelet_world, kubelet_calls) = (world.clone(), calls.clone());
        ground.spawn(async move {
            let client = api::client(kubelet_world.clone(), None, kubelet_calls);
            kubelet::run(kubelet_world, client, ordered).await;
        });
        Simulation {
            world,
            ground,
            scalers: Default::default(),
            lives: Default::default(),
            frozen: Default::default(),
            agents: Default::default(),
            calls,
            orders,
            now: Duration::ZERO,
        }
    }

    fn now(&self) -> Duration {
        self.now
    }

    fn verdict(&self) -> Result<(), String> {
        if PANICS.get() > 0 {
            self.world.violate("something panicked");
        }
        self.world.lock().oracle.verdict()
    }

    /// One tick: first what goes wrong in it, then every host in turn.
    fn step(&mut self, schedule: &Schedule) {
        self.apply(schedule);
        self.ground.step(self.now);
        for (host, frozen) in self.scalers.iter_mut().zip(self.frozen) {
            match host {
                Some(host) if frozen => host.skip(),
                Some(host) => host.step(self.now),
                None => {}
            }
        }
        self.now += TICK;
        self.world.lock().now = self.now;
    }

    fn apply(&mut self, schedule: &Schedule) {
        let now_ms = self.now.as_millis();
        let faults = || schedule.0.iter();
        let active = faults()
            .filter(|fault| {
                let (begin, end) = (fault.at_ms, fault.at_ms + fault.lasts_ms);
                (u128::from(begin)..u128::from(end)).contains(&now_ms)
            })
            .map(|fault| fault.kind.clone())
            .collect();
        self.world.lock().active = active;
        let this_tick = now_ms..now_ms + TICK.as_millis();
        for fault in faults().filter(|fault| this_tick.contains(&u128::from(fault.at_ms))) {
            self.world.begin(&fault.kind);
            let order = match fault.kind {
                Kind::Human {
                    deployment,
                    replicas,
                } => Order::Scale {
                    deployment,
                    replicas,
                },
                Kind::Recreate { deployment } => Order::Recreate { deployment },
                _ => continue,
            };
            self.orders.try_send(order).unwrap();
        }
        self.world.set_links();
        (0..SCALERS).for_each(|scaler| self.keep_scaler(scaler));
        (0..NODES).for_each(|node| self.keep_agent(node));
    }

    fn active(&self, kind: &Kind) -> bool {
        self.world.lock().active.contains(kind)
    }

    fn keep_scaler(&mut self, scaler: usize) {
        let lives = self.scalers[scaler].is_some();
        match (self.active(&Kind::KillScaler { scaler }), lives) {
            (true, true) => {
                self.world.listen(scaler, None);
                self.scalers[scaler] = None;
                self.world.lock().oracle.killed(scaler);
            }
            (false, false) => self.scalers[scaler] = Some(self.start_scaler(scaler)),
            _ => {}
        }
        let frozen = self.active(&Kind::FreezeScaler { scaler });
        if self.frozen[scaler] && !frozen {
            self.world.lock().oracle.thawed(self.now, scaler);
        }
        self.frozen[scaler] = frozen;
        let jump = self.world.lock().active.iter().find_map(|kind| match kind {
            Kind::WallJump {
                scaler: whose,
                seconds,
            } if *whose == scaler => Some(*seconds),
            _ => None,
        });
        if let Some(host) = &mut self.scalers[scaler] {
            host.wall_offset = jump.unwrap_or(0);
        }
    }

    fn keep_agent(&mut self, node: usize) {
        match (self.active(&Kind::KillAgent { node }), &self.agents[node]) {
            (true, Some(agent)) => {
                agent.abort();
                self.agents[node] = None;
            }
            (false, None) => {
                let agent = agents::run(self.world.clone(), node);
                self.agents[node] = Some(self.ground.spawn(agent));
            }
            _ => {}
        }
    }

    fn start_scaler(&mut self, scaler: usize) -> Host {
        let host = Host::new();
        self.lives[scaler] += 1;
        let candidacy = Candidacy {
            lease: "scaler".to_owned(),
            namespace: None,
            identity: identity(scaler, self.lives[scaler]),
            agents_address: String::new(),
            timing: Timing::default(),
            now: lease_time,
            runtime: Runtime::Shared,
        };
        let (world, calls) = (self.world.clone(), self.calls.clone());
        host.spawn(async move {
            let (listener, agents) = mpsc::channel(16);
            world.listen(scaler, Some(listener));
            // Dropped at the end of this task, which is when the host is.
            let (_published, policies) = watch::channel(policies());
            let ground = Ground {
                clock: Clock::with_wall(wall_time),
                connecting: ready(Ok(api::client(world.clone(), Some(scaler), calls))),
                policies,
                // Nobody mixes objects in: the cluster has no such resource.
                objects: watch::channel(Objects::default()).0,
                candidacy: Some(candidacy),
                agents: ReceiverStream::new(agents),
                tls: None,
                interval: Duration::from_secs(1),
                writes: Writes {
                    limits: ChangeLimits::default(),
                    pod_deletion_costs: true,
                },
                // Its thread writes to the real disk.
                recorder: Recorder::off(),
            };
            let mut parts = parts::start(ground, Readiness::default(), CancellationToken::new());
            let ended = parts.tasks.join_next().await;
            world.violate(&format!("scaler {scaler}: a task ended: {ended:?}"));
        });
        host
    }

    fn judge(&mut self) {
        let state = &mut *self.world.lock();
        if state.oracle.verdict().is_ok() {
            state.oracle.judge_rest(self.now, state.load_pods, QUIET);
        }
    }
}

/// The policies of both deployments, with the bounds that the oracle knows.
pub(crate) fn policies() -> PolicySet {
    let (min, max) = BOUNDS;
    let metrics = [
        "{name: userPageFaults, statistic: rate, threshold: 1000/s}",
        "{name: runqLatency, statistic: p95, threshold: 5ms}",
    ];
    let mut set = PolicySet::default();
    for (name, metric) in DEPLOYMENTS.into_iter().zip(metrics) {
        let text = format!(
            "apiVersion: viperscale.dev/v1alpha1
kind: ScalingPolicy
metadata: {{name: {name}, namespace: default}}
spec:
  scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: {name}}}
  minReplicas: {min}
  maxReplicas: {max}
  window: 3s
  warmup: 2s
  metrics: [{metric}]
  behavior: {{scaleDown: {{stabilizationWindowSeconds: 8}}}}
"
        );
        for policy in policy::load(&text, "simulated.yaml").unwrap() {
            set.in_force.insert(target_of(&policy), Arc::new(policy));
        }
    }
    set
}
