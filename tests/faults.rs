//! The real programs under faults: killed, stopped, cut off, half-open. A few seeded schedules; the
//! five hundred are simulated, in `scaler/tests/faults`.

#![allow(clippy::unwrap_used)] // in a test it is an assertion

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use loadtest::local::Process;
use loadtest::viperscale::{DecisionReader, agent_process, free_addresses, scaler_process};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::time::{Instant, sleep};
use viperscale_tests::{FaultProxy, Load, Network, TestCluster, eventually, programs, throughout};

/// As in `scaling.rs`: three pods' worth.
const REQUEST_CPU_US: u32 = 10_000;
const REQUESTS_PER_SECOND: u32 = 60;
/// Bounds of the policy.
const BOUNDS: std::ops::RangeInclusive<i32> = 1..=8;
/// Faults of one schedule.
const FAULTS: usize = 6;
/// A dead connection to the API server is noticed after 40 s, and back-off may have grown.
const HEALED: Duration = Duration::from_secs(90);
/// Silent sources are stale after 3 s, and a write under way is given up after 7 s.
const STALE: Duration = Duration::from_secs(10);

/// A machine has room for one local node.
static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

#[derive(Debug, Clone, Copy)]
enum Fault {
    KillScaler,
    StopScaler,
    KillAgent,
    Api(Network),
    Agents(Network),
}

/// Scaler and agent, with a proxy in front of everything that they connect to.
struct Patients {
    cluster: TestCluster,
    api: FaultProxy,
    agents: FaultProxy,
    kubeconfig: PathBuf,
    policies: PathBuf,
    grpc: SocketAddr,
    admin: SocketAddr,
    scaler: Option<Process>,
    agent: Option<Process>,
}

impl Patients {
    async fn start(policies: &str) -> Self {
        let cluster = TestCluster::start().await;
        cluster.deploy("busy", REQUEST_CPU_US).await;
        cluster.deploy("idle", REQUEST_CPU_US).await;
        let [grpc, admin] = free_addresses().unwrap();
        let text = std::fs::read_to_string(cluster.kubeconfig()).unwrap();
        let server = address_in(&text);
        let api = FaultProxy::start(server).await;
        let kubeconfig = cluster.directory().join("through-proxy.kubeconfig");
        let through = text.replace(&server.to_string(), &api.address().to_string());
        std::fs::write(&kubeconfig, through).unwrap();
        let folder = cluster.directory().join("policies");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("policies.yaml"), policies).unwrap();
        let mut patients = Self {
            agents: FaultProxy::start(grpc).await,
            cluster,
            api,
            kubeconfig,
            policies: folder,
            grpc,
            admin,
            scaler: None,
            agent: None,
        };
        patients.start_scaler();
        patients.start_agent();
        patients
    }

    fn start_scaler(&mut self) {
        let (kubeconfig, policies) = (&self.kubeconfig, self.policies.clone());
        let spec = scaler_process(programs(), kubeconfig, policies, self.grpc, self.admin);
        self.scaler = Some(Process::start(spec, self.cluster.directory()).unwrap());
    }

    fn start_agent(&mut self) {
        let [admin] = free_addresses().unwrap();
        let spec = agent_process(programs(), self.agents.address(), admin);
        self.agent = Some(Process::start(spec, self.cluster.directory()).unwrap());
    }

    fn begin(&mut self, fault: Fault) {
        match fault {
            Fault::KillScaler => killed(&mut self.scaler),
            Fault::KillAgent => killed(&mut self.agent),
            Fault::StopScaler => signal(self.scaler.as_ref(), Signal::SIGSTOP),
            Fault::Api(network) => self.api.set(network),
            Fault::Agents(network) => self.agents.set(network),
        }
    }

    fn end(&mut self, fault: Fault) {
        match fault {
            Fault::KillScaler => self.start_scaler(),
            Fault::KillAgent => self.start_agent(),
            Fault::StopScaler => signal(self.scaler.as_ref(), Signal::SIGCONT),
            Fault::Api(_) => self.api.set(Network::Up),
            Fault::Agents(_) => self.agents.set(Network::Up),
        }
    }

    async fn measured(&self) {
        let reader = DecisionReader::new(self.admin).unwrap();
        eventually("measured values", Duration::from_secs(30), async || {
            let decisions = reader.newest().await.ok()?;
            let all = decisions.values().all(|decision| decision.is_informed());
            (decisions.len() == 2 && all).then_some(())
        })
        .await;
    }

    async fn stop(mut self) {
        for process in [self.agent.take(), self.scaler.take()]
            .into_iter()
            .flatten()
        {
            process.stop().await;
        }
        self.cluster.stop().await;
    }
}

/// `127.0.0.1:PORT` of a kubeconfig's server.
fn address_in(kubeconfig: &str) -> SocketAddr {
    let (_, rest) = kubeconfig.split_once("https://").expect("a server");
    let end = rest.find(['\n', '"', '/']).unwrap_or(rest.len());
    rest[..end].trim().parse().expect("an address with a port")
}

fn signal(process: Option<&Process>, signal: Signal) {
    let pid = process.and_then(Process::pid).expect("it runs");
    kill(Pid::from_raw(pid.cast_signed()), signal).unwrap();
}

fn killed(process: &mut Option<Process>) {
    signal(process.as_ref(), Signal::SIGKILL);
    // Dropping it kills what is dead already, and the runtime reaps it.
    *process = None;
}

/// Faults one after another, each of which lasts some seconds.
struct Schedule {
    seed: u64,
    faults: Vec<(Fault, Duration)>,
}

impl Schedule {
    fn of(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let slow = Network::Slow(Duration::from_millis(300));
        let kinds = [
            Fault::KillScaler,
            Fault::StopScaler,
            Fault::KillAgent,
            Fault::Api(Network::Cut),
            Fault::Api(slow),
            Fault::Api(Network::HalfOpen),
            Fault::Agents(Network::Cut),
            Fault::Agents(slow),
            Fault::Agents(Network::HalfOpen),
        ];
        let faults = (0..FAULTS)
            .map(|_| {
                let fault = kinds[rng.random_range(0..kinds.len())];
                (fault, Duration::from_millis(rng.random_range(1_000..6_000)))
            })
            .collect();
        Self { seed, faults }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "VIPERSCALE_FAULT_SEED={}:", self.seed)?;
        for (fault, lasts) in &self.faults {
            write!(formatter, "\n  {fault:?} for {lasts:?}")?;
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_real_programs_ride_out_a_schedule_of_faults() {
    let seed = std::env::var("VIPERSCALE_FAULT_SEED").map_or(1, |text| {
        text.parse().expect("VIPERSCALE_FAULT_SEED is a number")
    });
    let schedule = Schedule::of(seed);
    println!("{schedule}"); // shown when the test fails
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut patients = Patients::start(include_str!("policies/scaling.yaml")).await;
    patients.measured().await;
    let load = Load::start(patients.cluster.url("busy").await, REQUESTS_PER_SECOND);

    for (fault, lasts) in schedule.faults {
        patients.begin(fault);
        let end = Instant::now() + lasts;
        while Instant::now() < end {
            let busy = patients.cluster.replicas("busy").await;
            assert!(BOUNDS.contains(&busy), "{busy} replicas during {fault:?}");
            assert_eq!(
                patients.cluster.replicas("idle").await,
                1,
                "during {fault:?}"
            );
            sleep(Duration::from_millis(200)).await;
        }
        patients.end(fault);
        sleep(Duration::from_secs(2)).await;
    }

    eventually("three replicas once healed", HEALED, async || {
        (patients.cluster.replicas("busy").await >= 3).then_some(())
    })
    .await;
    drop(load);
    eventually("one replica after the load", HEALED, async || {
        (patients.cluster.replicas("busy").await == 1).then_some(())
    })
    .await;
    assert_eq!(patients.cluster.replicas("idle").await, 1);
    patients.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_moves_on_silence() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut patients = Patients::start(include_str!("policies/scaling.yaml")).await;
    patients.measured().await;
    let load = Load::start(patients.cluster.url("busy").await, REQUESTS_PER_SECOND);
    eventually("three replicas", Duration::from_secs(30), async || {
        (patients.cluster.replicas("busy").await >= 3).then_some(())
    })
    .await;
    // Nobody tells any more that the load has ended.
    for fault in [Fault::KillAgent, Fault::Agents(Network::HalfOpen)] {
        patients.begin(fault);
        sleep(STALE).await;
        let held = patients.cluster.replicas("busy").await;
        throughout("the replica count", Duration::from_secs(15), async || {
            patients.cluster.replicas("busy").await == held
        })
        .await;
        patients.end(fault);
        patients.measured().await;
    }
    drop(load);
    eventually("one replica after the load", HEALED, async || {
        (patients.cluster.replicas("busy").await == 1).then_some(())
    })
    .await;
    patients.stop().await;
}
