//! Running a container's probes from its start to its end.
//!
//! Until a startup or readiness probe succeeds for the first time it is tried every 100 ms (for the
//! first 10 s, and exec probes only once per period), so that a pod serves as soon as it can and not
//! up to a period later. Failures still count at most once per period, as in Kubernetes.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::check::Target;
use super::spec::{Action, ProbeSpec, Probes};
use super::threshold::Counter;

/// Between attempts before the first success.
const EAGER_PERIOD: Duration = Duration::from_millis(100);
/// How long to be eager.
const EAGER_TIME: Duration = Duration::from_secs(10);

/// What the probes say about a running container.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Health {
    /// The startup probe has succeeded, or there is none.
    pub started: bool,
    /// The readiness probe holds, or there is none and the container has started.
    pub ready: bool,
}

/// A probe says that the container must be restarted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unhealthy {
    /// Which probe and its last failure.
    pub message: String,
}

/// Runs the probes of one run of a container and reports into `health`. Returns when the container
/// must be restarted, else never; drop the future when the container ends.
pub(crate) async fn watch(
    probes: &Probes,
    target: &Target,
    health: &watch::Sender<Health>,
) -> Unhealthy {
    let start = Instant::now();
    if let Some(spec) = &probes.startup {
        let mut attempts = Attempts::new(spec, start);
        loop {
            match attempts.next(target).await {
                Verdict::Success => break,
                Verdict::Failure(error) => return unhealthy("Startup", &error),
                Verdict::Undecided => {}
            }
        }
    }
    health.send_replace(Health {
        started: true,
        ready: probes.readiness.is_none(),
    });
    tokio::select! {
        never = readiness(probes, target, health, start) => match never {},
        unhealthy = liveness(probes, target, start) => unhealthy,
    }
}

async fn readiness(
    probes: &Probes,
    target: &Target,
    health: &watch::Sender<Health>,
    start: Instant,
) -> std::convert::Infallible {
    let Some(spec) = &probes.readiness else {
        return std::future::pending().await;
    };
    let mut attempts = Attempts::new(spec, start);
    loop {
        let ready = match attempts.next(target).await {
            Verdict::Success => true,
            Verdict::Failure(_) => false,
            Verdict::Undecided => continue,
        };
        health.send_if_modified(|health| std::mem::replace(&mut health.ready, ready) != ready);
    }
}

async fn liveness(probes: &Probes, target: &Target, start: Instant) -> Unhealthy {
    let Some(spec) = &probes.liveness else {
        return std::future::pending().await;
    };
    let mut attempts = Attempts::new(spec, start);
    // A process that has not opened its port yet is not dead: no eager attempts here.
    attempts.eager_until = start;
    loop {
        if let Verdict::Failure(error) = attempts.next(target).await {
            return unhealthy("Liveness", &error);
        }
    }
}

fn unhealthy(kind: &str, error: &str) -> Unhealthy {
    Unhealthy {
        message: format!("{kind} probe failed: {error}"),
    }
}

enum Verdict {
    Success,
    Failure(String),
    Undecided,
}

/// The attempts of one probe and what they amount to.
struct Attempts<'a> {
    spec: &'a ProbeSpec,
    counter: Counter,
    next: Instant,
    /// Failures before this instant are not counted: the period has not passed.
    count_failures_from: Instant,
    eager_until: Instant,
}

impl<'a> Attempts<'a> {
    fn new(spec: &'a ProbeSpec, start: Instant) -> Self {
        let first = start + spec.initial_delay;
        let eager = !matches!(spec.action, Action::Exec(_) | Action::Unsupported(_));
        Self {
            spec,
            counter: Counter::new(spec),
            next: first,
            count_failures_from: first + if eager { spec.period } else { Duration::ZERO },
            eager_until: if eager { first + EAGER_TIME } else { first },
        }
    }

    /// Waits for the next attempt's time and makes it.
    async fn next(&mut self, target: &Target) -> Verdict {
        sleep_until(self.next).await;
        let result = target.check(&self.spec.action, self.spec.timeout).await;
        let now = Instant::now();
        let eager = result.is_err() && now < self.eager_until;
        self.next = now
            + if eager {
                EAGER_PERIOD
            } else {
                self.spec.period
            };
        match result {
            Ok(()) => {
                self.eager_until = now;
                self.count_failures_from = now;
                if self.counter.record(true).is_some() {
                    Verdict::Success
                } else {
                    Verdict::Undecided
                }
            }
            Err(_) if now < self.count_failures_from => Verdict::Undecided,
            Err(error) => {
                self.count_failures_from = now + self.spec.period;
                match self.counter.record(false) {
                    Some(_) => Verdict::Failure(error.to_string()),
                    None => Verdict::Undecided,
                }
            }
        }
    }
}
