//! Steps at fitting moments, on the chain as a model: what `--phase measured` promises.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use stock_hpa::client::{Samples, resource_samples};
use stock_hpa::pipeline::{Housekeeping, MetricsServer, Reading, Sample};
use stock_hpa::pod::{Container, Phase, Pod, ReadyCondition};
use stock_hpa::reconcile::{Observation, Scale, WriteAnswer, reconcile};
use stock_hpa::spec::{MetricSource, MetricSpec, Target};
use stock_hpa::{History, Hpa, Moment, Settings, Status};

use super::phase::Phases;

const TICK: Duration = Duration::from_millis(100);

/// Pods that idle until the step and spin from then on, with everything that looks at them.
struct Chain {
    rng: StdRng,
    now: Moment,
    step: Option<Moment>,
    /// Each pod's start, schedule and last sample.
    pods: Vec<(Moment, Option<(Housekeeping, Sample)>)>,
    server: MetricsServer,
    next_poll: Moment,
    next_sync: Moment,
    history: History,
    patches: Vec<(f64, usize)>,
}

impl Chain {
    /// The sync follows the poll as the benchmark lets it.
    fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let after_poll = Duration::from_millis(rng.random_range(500..6000));
        let next_poll = Moment::from_millis(rng.random_range(0..15_000));
        Self {
            rng,
            now: Moment::default(),
            step: None,
            pods: vec![(Moment::default(), None)],
            server: MetricsServer::default(),
            next_poll,
            next_sync: next_poll.plus(after_poll),
            history: History::default(),
            patches: Vec::new(),
        }
    }

    fn tick(&mut self) {
        self.now = self.now.plus(TICK);
        for at in 0..self.pods.len() {
            self.look(at);
        }
        if self.next_poll <= self.now {
            self.server.poll(
                self.pods
                    .iter()
                    .filter_map(|(_, looks)| Some(&looks.as_ref()?.1)),
            );
            self.next_poll = self.next_poll.plus(MetricsServer::PERIOD);
        }
        if self.next_sync <= self.now {
            // A pass takes a moment, and the next period begins after it.
            self.next_sync = self
                .next_sync
                .plus(Settings::SYNC_PERIOD + Duration::from_millis(15));
            self.sync();
        }
    }

    fn look(&mut self, at: usize) {
        let (now, step) = (self.now, self.step);
        let (started_at, looks) = &mut self.pods[at];
        if *started_at > now
            || looks
                .as_ref()
                .is_some_and(|(schedule, _)| !schedule.is_due(now))
        {
            return;
        }
        // A fifth of a CPU while it spins, next to nothing while it waits.
        let spun = step.map_or(Duration::ZERO, |step| now.since(step.max(*started_at)) / 5);
        let waited = now.since(*started_at) / 2000;
        let reading = Reading {
            pod: at.to_string(),
            container: "spin".to_owned(),
            started_at: *started_at,
            cpu: spun + waited,
            memory_bytes: 0,
        };
        let random = self.rng.random();
        let schedule = match looks {
            Some((schedule, _)) => schedule.after(now, true, random),
            None => Housekeeping::starting(now, random),
        };
        *looks = Some((schedule, Sample { reading, at: now }));
    }

    fn sync(&mut self) {
        let pods: Vec<Pod> = self
            .pods
            .iter()
            .enumerate()
            .map(|(at, pod)| self.pod(at, pod.0))
            .collect();
        let answer = resource_samples(&self.server.pod_metrics(), "cpu", None)
            .map(|(samples, _)| Samples::Pods(samples))
            .map_err(|error| error.to_string());
        let replicas = i32::try_from(pods.len()).unwrap();
        let scale = Scale {
            spec_replicas: replicas,
            status_replicas: replicas,
            selector: "app=spin".to_owned(),
        };
        let observation = Observation {
            scale: Ok(scale),
            pods: &pods,
            other_hpas: &[],
            answers: &[answer],
        };
        let (settings, mut wanted) = (Settings::default(), replicas);
        reconcile(
            &autoscaler(),
            &settings,
            &observation,
            &mut self.history,
            self.now,
            |to| {
                wanted = to;
                WriteAnswer::Ok
            },
        );
        let wanted = usize::try_from(wanted).unwrap();
        if wanted > self.pods.len() {
            let step = self.step.expect("an idle target is left alone");
            self.patches
                .push((self.now.since(step).as_secs_f64(), wanted));
            while self.pods.len() < wanted {
                let start = Duration::from_millis(self.rng.random_range(300..1300));
                self.pods.push((self.now.plus(start), None));
            }
        }
    }

    fn pod(&self, at: usize, start: Moment) -> Pod {
        let running = start <= self.now;
        let start = Moment::from_secs(start.millis().div_euclid(1000));
        Pod {
            name: at.to_string(),
            labels: [("app".to_owned(), "spin".to_owned())].into(),
            phase: if running {
                Phase::Running
            } else {
                Phase::Pending
            },
            start_time: Some(start),
            ready: Some(ReadyCondition {
                ready: running,
                last_transition: start,
            }),
            containers: vec![Container {
                name: "spin".to_owned(),
                requests: [("cpu".to_owned(), 100)].into(),
                restart_always: false,
            }],
            ..Pod::default()
        }
    }

    fn phases(&self) -> Option<Phases> {
        let (schedule, last) = self.pods[0].1.as_ref()?;
        let until = |moment: Moment| moment.since(self.now).as_secs_f64();
        Some(Phases {
            window_seconds: schedule.next().since(last.at).as_secs_f64(),
            next_sample_seconds: until(schedule.next()),
            next_poll_seconds: until(self.next_poll),
            next_sync_seconds: until(self.next_sync),
        })
    }
}

fn autoscaler() -> Hpa {
    let target = Target {
        average_utilization_percent: Some(50),
        ..Target::default()
    };
    let source = MetricSource::Resource {
        resource: "cpu".to_owned(),
    };
    Hpa {
        name: "spin".to_owned(),
        namespace: "default".to_owned(),
        target: "Deployment/default/spin".to_owned(),
        min_replicas: Some(1),
        max_replicas: 20,
        metrics: vec![MetricSpec { source, target }],
        behavior: None,
        status: Status::default(),
    }
}

/// Patches after a step at a fitting moment, chosen as the benchmark chooses it.
fn trial(seed: u64) -> Vec<(f64, usize)> {
    let mut chain = Chain::new(seed);
    let warm = Moment::from_secs(60);
    let step = loop {
        chain.tick();
        if chain.now < warm {
            continue;
        }
        assert!(
            chain.now < Moment::from_secs(600),
            "seed {seed}: no fitting moment"
        );
        if let Some(fitting) = chain.phases().and_then(|phases| phases.fitting()) {
            let wait = Duration::from_secs_f64(chain.rng.random_range(fitting));
            break chain.now.plus(wait);
        }
    };
    while chain.now < step {
        chain.tick();
    }
    chain.step = Some(chain.now);
    let give_up = chain.now.plus(Duration::from_secs(140));
    while chain.now < give_up && chain.pods.len() < 16 {
        chain.tick();
    }
    chain.patches
}

#[test]
fn steps_at_fitting_moments_come_out_as_measured() {
    let outside: Vec<(u64, Vec<(f64, usize)>)> = (0..300)
        .map(|seed| (seed, trial(seed)))
        .filter(|(_, patches)| {
            let [(first, to), .., (last, enough)] = patches[..] else {
                return true;
            };
            let inside = (9.0..=18.0).contains(&first) && (54.0..=64.0).contains(&last);
            !inside || to > 3 || enough < 16
        })
        .collect();
    assert!(
        outside.is_empty(),
        "{} outside: {outside:.1?}",
        outside.len()
    );
}
