//! What everybody in the simulation shares: the time, the faults of the moment, who leads.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use bytes::Bytes;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::sync::mpsc;

use crate::faults::{Kind, NODES, RESOURCES, SCALERS};
use crate::oracle::{About, Oracle, Write};
use crate::wire::{Link, State as LinkState, Wire, connect};

/// Answers of one list that are remembered, a second or more apart.
const OLD_LISTS: usize = 6;

/// A pod whose container runs.
#[derive(Debug, Clone)]
pub(crate) struct RunningPod {
    pub(crate) deployment: usize,
    pub(crate) uid: String,
    pub(crate) node: usize,
    pub(crate) ready: bool,
}

/// What becomes of a request.
pub(crate) enum Fate {
    Reset,
    Silence,
    Error(u16),
    Served { wait: Duration, lose_answer: bool },
}

/// What becomes of a watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WatchFate {
    Flows,
    Late,
    Reset,
    Expired,
    Silence,
}

/// How many faults that end watches there were when one began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Marks {
    reset: u64,
    expired: u64,
    silenced: u64,
}

pub(crate) struct World(Mutex<State>);

pub(crate) struct State {
    pub(crate) now: Duration,
    rng: ChaCha8Rng,
    pub(crate) active: Vec<Kind>,
    pub(crate) oracle: Oracle,
    /// Pods' worth of load on each deployment.
    pub(crate) load_pods: f64,
    pub(crate) pods: Vec<RunningPod>,
    /// Who holds the Lease, and in which term.
    holder: Option<usize>,
    term: u64,
    /// Where scalers that live take connections.
    listeners: [Option<mpsc::Sender<io::Result<Wire>>>; SCALERS],
    links: Vec<Weak<Link>>,
    marks: [[Marks; RESOURCES.len()]; SCALERS],
    lists: HashMap<String, VecDeque<(Duration, Bytes)>>,
}

impl World {
    pub(crate) fn new(seed: u64) -> Arc<Self> {
        Arc::new(World(Mutex::new(State {
            now: Duration::ZERO,
            rng: ChaCha8Rng::seed_from_u64(seed),
            active: Vec::new(),
            oracle: Oracle::default(),
            load_pods: 4.2,
            pods: Vec::new(),
            holder: None,
            term: 0,
            listeners: Default::default(),
            links: Vec::new(),
            marks: Default::default(),
            lists: HashMap::new(),
        })))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Draws what becomes of a request of `scaler`.
    pub(crate) fn fate(&self, scaler: usize) -> Fate {
        let state = &mut *self.lock();
        let mut wait = Duration::ZERO;
        let mut lose_answer = false;
        for kind in &state.active {
            match *kind {
                Kind::ApiDown => return Fate::Reset,
                Kind::HalfOpenApi { scaler: whose } if whose == scaler => return Fate::Silence,
                Kind::ApiErrors { code, percent } if state.rng.random_range(0..100) < percent => {
                    return Fate::Error(code);
                }
                Kind::LostAnswers { percent } => {
                    lose_answer |= state.rng.random_range(0..100) < percent;
                }
                Kind::SlowApi { up_to_ms } => {
                    let this = Duration::from_millis(state.rng.random_range(0..=up_to_ms));
                    wait = wait.max(this);
                }
                _ => {}
            }
        }
        Fate::Served { wait, lose_answer }
    }

    pub(crate) fn marks(&self, scaler: usize, resource: usize) -> Marks {
        self.lock().marks[scaler][resource]
    }

    pub(crate) fn watch_fate(&self, scaler: usize, resource: usize, began: Marks) -> WatchFate {
        let state = self.lock();
        let marks = state.marks[scaler][resource];
        if marks.silenced != began.silenced {
            return WatchFate::Silence;
        }
        if marks.reset != began.reset {
            return WatchFate::Reset;
        }
        if marks.expired != began.expired {
            return WatchFate::Expired;
        }
        match state.active.contains(&Kind::LateWatch { scaler, resource }) {
            true => WatchFate::Late,
            false => WatchFate::Flows,
        }
    }

    /// What happens at the moment at which a fault begins.
    pub(crate) fn begin(&self, kind: &Kind) {
        let state = &mut *self.lock();
        let now = state.now;
        state.oracle.tell(now, &format!("{kind:?}"));
        match *kind {
            Kind::ApiDown => state
                .marks
                .iter_mut()
                .flatten()
                .for_each(|marks| marks.reset += 1),
            Kind::HalfOpenApi { scaler } => {
                state.marks[scaler]
                    .iter_mut()
                    .for_each(|marks| marks.silenced += 1);
            }
            Kind::ExpiredWatch { resource } => {
                state
                    .marks
                    .iter_mut()
                    .for_each(|of| of[resource].expired += 1);
            }
            Kind::BrokenWatch { resource } => {
                state
                    .marks
                    .iter_mut()
                    .for_each(|of| of[resource].reset += 1);
            }
            Kind::Load { tenths_of_pods } => state.load_pods = f64::from(tenths_of_pods) / 10.0,
            _ => {}
        }
    }

    /// Brings the connections of agents into the state that the faults of the moment want.
    pub(crate) fn set_links(&self) {
        let mut state = self.lock();
        state.links.retain(|link| link.strong_count() > 0);
        let links: Vec<Arc<Link>> = state.links.iter().filter_map(Weak::upgrade).collect();
        let active = state.active.clone();
        drop(state);
        for link in links {
            let node = link.node;
            link.set(if active.contains(&Kind::CutAgent { node }) {
                LinkState::Cut
            } else if active.contains(&Kind::StallAgent { node }) {
                LinkState::Stalled
            } else {
                LinkState::Flows
            });
        }
    }

    pub(crate) fn listen(&self, scaler: usize, listener: Option<mpsc::Sender<io::Result<Wire>>>) {
        self.lock().listeners[scaler] = listener;
    }

    /// Connects an agent with the scaler that leads, else with any that lives.
    pub(crate) fn dial(self: &Arc<Self>, node: usize) -> Option<(Wire, Arc<Link>)> {
        let state = &mut *self.lock();
        if state.active.contains(&Kind::CutAgent { node }) {
            return None;
        }
        let alive = |scaler: &usize| state.listeners[*scaler].is_some();
        let scaler = state
            .holder
            .filter(alive)
            .or_else(|| (0..SCALERS).find(alive))?;
        let (agent, server, link) = connect(self, node, scaler);
        state.listeners[scaler]
            .as_ref()?
            .try_send(Ok(server))
            .ok()?;
        state.links.push(Arc::downgrade(&link));
        Some((agent, link))
    }

    /// Whether `scaler` is the one to report to; agents that are elsewhere come over.
    pub(crate) fn is_leader(&self, scaler: usize) -> bool {
        self.lock().holder.is_none_or(|holder| holder == scaler)
    }

    /// The API server has accepted this Lease. A term has one holder, and a holder that gave it back
    /// has no name.
    pub(crate) fn lease(&self, holder: &str, term: u64) {
        let state = &mut *self.lock();
        state.holder = scaler_of(holder);
        if let Some(scaler) = state.holder.filter(|_| state.term != term) {
            state.term = term;
            state.oracle.leads(state.now, scaler, term);
        }
    }

    pub(crate) fn heard(&self, scaler: usize, about: About, age: Duration) {
        let state = &mut *self.lock();
        state.oracle.heard(state.now, scaler, about, age);
    }

    pub(crate) fn accepted(&self, write: &Write) {
        let state = &mut *self.lock();
        state.oracle.accepted(state.now, write);
    }

    pub(crate) fn violate(&self, what: &str) {
        let state = &mut *self.lock();
        state.oracle.violate(state.now, what);
    }

    /// Remembers the answer to a list; or, while lists are stale, tells an old one.
    pub(crate) fn list(&self, uri: &str, answer: Bytes) -> Bytes {
        let state = &mut *self.lock();
        let old = state.lists.entry(uri.to_owned()).or_default();
        if state.active.contains(&Kind::StaleLists)
            && let Some((_, stale)) = old.front()
        {
            return stale.clone();
        }
        let second = Duration::from_secs(1);
        if old.back().is_none_or(|(at, _)| state.now >= *at + second) {
            old.push_back((state.now, answer.clone()));
            if old.len() > OLD_LISTS {
                old.pop_front();
            }
        }
        answer
    }
}

/// The identity of a scaler in the election, in one of its lives, counted from 1.
pub(crate) fn identity(scaler: usize, life: u32) -> String {
    format!("scaler-{scaler}.{life}")
}

/// The scaler of an [`identity`].
fn scaler_of(identity: &str) -> Option<usize> {
    let (scaler, _life) = identity.strip_prefix("scaler-")?.split_once('.')?;
    scaler.parse().ok()
}

/// Nodes are called `n0`, `n1`...
pub(crate) fn node_name(node: usize) -> String {
    assert!(node < NODES);
    format!("n{node}")
}
