//! The cluster: a balancer, pods that start and stop, users, and the clock.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::load::{Arrivals, Shape, exponential};
use super::pod::{Counters, MILLI, Next, Pod, PodKind, Request, SECOND};

/// Everything about a simulated system but who scales it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct System {
    pub(crate) arrivals: Arrivals,
    pub(crate) shape: Shape,
    pub(crate) kind: PodKind,
    /// Mean CPU time of a request in seconds (exponential around half of it).
    pub(crate) work: f64,
    /// Mean time in seconds a neighbour holds the CPU up before each stint.
    pub(crate) neighbour: f64,
}

/// After this a request counts as failed.
const DEADLINE: u64 = SECOND;
/// From creation to ready.
const START_UP: u64 = 2 * SECOND;

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrive,
    /// A user is done thinking.
    User(usize),
    /// A user looks whether it is time to come.
    Join(usize),
    Wake(u64),
    Ready(u64),
}

#[derive(Debug)]
struct Slot {
    pod: Pod,
    ready: bool,
}

/// Requests that ended, by outcome.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Requests {
    pub(crate) total: u64,
    pub(crate) failed: u64,
}

pub(crate) struct World {
    system: System,
    random: StdRng,
    now: u64,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    sequence: u64,
    /// Pods that belong to the deployment, by age.
    pods: BTreeMap<u64, Slot>,
    /// Those of them that the balancer knows; never empty.
    ready: Vec<u64>,
    /// Pods that were removed and finish what they have.
    leaving: BTreeMap<u64, Pod>,
    created: u64,
    pub(crate) requests: Requests,
}

impl World {
    pub(crate) fn new(system: System, replicas: u32, seed: u64) -> Self {
        let mut world = Self {
            system,
            random: StdRng::seed_from_u64(seed),
            now: 0,
            events: BinaryHeap::new(),
            sequence: 0,
            pods: BTreeMap::new(),
            ready: (0..u64::from(replicas)).collect(),
            leaving: BTreeMap::new(),
            created: 0,
            requests: Requests::default(),
        };
        for _ in 0..replicas {
            world.pods.insert(
                world.created,
                Slot {
                    pod: Pod::new(system.kind),
                    ready: true,
                },
            );
            world.created += 1;
        }
        match system.arrivals {
            Arrivals::Open(_) => world.at(0, Event::Arrive),
            Arrivals::Closed { users, .. } => {
                for user in 0..(users * system.shape.highest()).ceil() as usize {
                    world.at(0, Event::Join(user));
                }
            }
        }
        world
    }

    /// Ready and starting pods.
    pub(crate) fn pods(&self) -> (u32, u32) {
        let ready = self.pods.values().filter(|slot| slot.ready).count();
        (ready as u32, (self.pods.len() - ready) as u32)
    }

    /// What the ready pods measured since the last call.
    pub(crate) fn report(&mut self) -> Vec<Counters> {
        let now = self.now;
        self.pods
            .values_mut()
            .filter(|slot| slot.ready)
            .map(|slot| slot.pod.report(now))
            .collect()
    }

    pub(crate) fn scale(&mut self, replicas: u32) {
        while self.pods.len() < replicas as usize {
            self.pods.insert(
                self.created,
                Slot {
                    pod: Pod::new(self.system.kind),
                    ready: false,
                },
            );
            self.at(self.now + START_UP, Event::Ready(self.created));
            self.created += 1;
        }
        while self.pods.len() > replicas as usize {
            // The youngest go first, as a replica set does it: those not ready are the youngest.
            if let Some((id, slot)) = self.pods.pop_last()
                && slot.ready
            {
                self.ready.retain(|ready| *ready != id);
                self.leaving.insert(id, slot.pod);
            }
        }
    }

    /// Lets time pass.
    pub(crate) fn advance(&mut self, until: u64) {
        while let Some(Reverse((time, _, _))) = self.events.peek() {
            if *time > until {
                break;
            }
            let Some(Reverse((time, _, event))) = self.events.pop() else {
                break;
            };
            self.now = time;
            self.handle(event);
        }
        self.now = until;
    }

    fn at(&mut self, time: u64, event: Event) {
        self.sequence += 1;
        self.events.push(Reverse((time, self.sequence, event)));
    }

    fn seconds(&self) -> f64 {
        self.now as f64 / SECOND as f64
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Arrive => self.open_arrival(),
            Event::User(user) => self.user(user),
            Event::Join(user) => self.join(user),
            Event::Wake(id) => self.wake(id),
            Event::Ready(id) => {
                if let Some(slot) = self.pods.get_mut(&id) {
                    slot.ready = true;
                    self.ready.push(id);
                }
            }
        }
    }

    fn open_arrival(&mut self) {
        let Arrivals::Open(rate) = self.system.arrivals else {
            return;
        };
        let (factor, highest) = (
            self.system.shape.factor(self.seconds()),
            self.system.shape.highest(),
        );
        // Thinning: events at the highest rate, of which the present share is real.
        if self.random.random::<f64>() * highest < factor {
            self.send(None);
        }
        let gap = exponential(&mut self.random, 1.0 / (rate * highest));
        self.at(self.now + (gap * 1e9) as u64, Event::Arrive);
    }

    fn user(&mut self, user: usize) {
        if self.takes_part(user) {
            self.send(Some(user));
        } else {
            self.at(self.now + 200 * MILLI, Event::Join(user));
        }
    }

    /// New users think first, else a step would begin with all of them at once.
    fn join(&mut self, user: usize) {
        if self.takes_part(user) {
            self.think(user, self.now);
        } else {
            self.at(self.now + 200 * MILLI, Event::Join(user));
        }
    }

    fn takes_part(&self, user: usize) -> bool {
        let Arrivals::Closed { users, .. } = self.system.arrivals else {
            return false;
        };
        (user as f64) < users * self.system.shape.factor(self.seconds())
    }

    fn think(&mut self, user: usize, from: u64) {
        if let Arrivals::Closed { think, .. } = self.system.arrivals {
            let gap = exponential(&mut self.random, think);
            self.at(from + (gap * 1e9) as u64, Event::User(user));
        }
    }

    fn send(&mut self, user: Option<usize>) {
        let id = self.ready[self.random.random_range(0..self.ready.len())];
        let half = 0.5 * self.system.work;
        let work = half + exponential(&mut self.random, half);
        let request = Request {
            deadline: self.now + DEADLINE,
            work: (work * 1e9) as u64 + 1,
            user,
        };
        let held_up = self.held_up();
        if let Some(slot) = self.pods.get_mut(&id) {
            let next = slot.pod.arrive(self.now, request, held_up);
            self.after(id, &next, &[]);
        }
    }

    fn wake(&mut self, id: u64) {
        let held_up = self.held_up();
        let mut done = Vec::new();
        let now = self.now;
        let pod = match self.pods.get_mut(&id) {
            Some(slot) => Some(&mut slot.pod),
            None => self.leaving.get_mut(&id),
        };
        if let Some(pod) = pod {
            let next = pod.wake(now, held_up, &mut done);
            self.after(id, &next, &done);
        }
    }

    fn after(&mut self, id: u64, next: &Next, done: &[(Request, u64)]) {
        for (request, ended) in done {
            self.requests.total += 1;
            self.requests.failed += u64::from(*ended > request.deadline);
            if let Some(user) = request.user {
                self.think(user, *ended);
            }
        }
        match next {
            Next::Wake(time) => self.at(*time, Event::Wake(id)),
            Next::Idle => {}
        }
    }

    fn held_up(&mut self) -> u64 {
        if self.system.neighbour > 0.0 {
            (exponential(&mut self.random, self.system.neighbour) * 1e9) as u64
        } else {
            0
        }
    }
}
