//! The offline optimum: the replicas that would have been enough, known in hindsight.
//!
//! ```text
//!  users planned for second s  ×  page requests per user-second at rest   = offered load, requests/s
//!  offered load  ×  CPU seconds per page request of the deployment        = demand, cores
//!  least n with  n × (CPU limit × UTILISATION − idle cores of a pod) ≥ demand,  within [min, max]
//! ```
//!
//! It starts and stops pods in no time and foresees every second, so nobody reaches it; both autoscalers are held
//! against the same one. The offered load is what the users would have asked for had every page come as quickly as
//! at rest: users who wait ask for less, and an autoscaler must not be excused by the pages it delayed.
//!
//! The CPU per request and the idle cores are fitted by least squares, neither below 0, to
//! `CPU = requests × a + ready pods × seconds × b` over all calm bins of time of all trials of both autoscalers. A bin is
//! calm when no request failed in it: work that is given up costs CPU and ends no page.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::cpu::Total;
use super::curve::Curve;
use super::{LatencyBin, trial::Trial};
use crate::record::DeploymentFacts;
use crate::scenario::Load;

/// The share of its CPU limit up to which a pod of the optimum is loaded. Above it, waiting for the quota's next
/// period makes up more and more of the latency; 0.8 is what operators of quotas plan with.
pub const UTILISATION: f64 = 0.8;

/// What would have been enough, known in hindsight.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Optimum {
    /// The share of its CPU limit up to which a pod is loaded.
    pub utilisation: f64,
    /// Page requests per second that one user asks for while nothing is slow.
    pub requests_per_user_second: f64,
    /// What a page request costs each scaled deployment.
    pub demand: BTreeMap<String, DemandModel>,
    /// Replicas by scaled deployment; each holds until the next.
    pub replicas: BTreeMap<String, Vec<OptimumPoint>>,
    /// Sum over the deployments of replicas times seconds.
    pub replica_seconds: f64,
}

/// The CPU demand of one deployment, as measured in the trials.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DemandModel {
    /// CPU seconds of the deployment per page request of the mix.
    pub cpu_seconds_per_request: f64,
    /// Cores that a pod uses without requests.
    pub idle_cores: f64,
    /// Cores that a pod has: its CPU limit, else its request, else one.
    pub pod_cores: f64,
}

/// Replicas of the optimum from this moment on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct OptimumPoint {
    /// Seconds since the trial's begin.
    pub at: f64,
    /// The least replicas that carry the offered load.
    pub replicas: u32,
}

impl DemandModel {
    /// The least replicas that carry `requests_per_second`.
    fn replicas(&self, requests_per_second: f64, facts: &DeploymentFacts) -> u32 {
        // A pod whose idling alone uses it up would carry nothing; some of it is left in any case.
        let usable = (self.pod_cores * UTILISATION - self.idle_cores).max(self.pod_cores * 0.01);
        let demand = requests_per_second * self.cpu_seconds_per_request;
        // `as` saturates; a hair less, so that a full pod is not two by a rounding error.
        let least = (demand / usable - 1e-9).ceil() as u32;
        least.clamp(
            facts.min_replicas,
            facts.max_replicas.max(facts.min_replicas),
        )
    }
}

/// The optimum of `load` by what `trials`, of both autoscalers, have measured.
pub(crate) fn optimum<'a>(load: &Load, trials: impl IntoIterator<Item = &'a Trial<'a>>) -> Optimum {
    let trials: Vec<&Trial<'_>> = trials.into_iter().collect();
    let horizon = f64::from(load.seconds());
    let rate = requests_per_user_second(load, &trials);
    let mut optimum = Optimum {
        utilisation: UTILISATION,
        requests_per_user_second: rate,
        ..Optimum::default()
    };
    let Some(first) = trials.first() else {
        return optimum;
    };
    for (deployment, facts) in &first.record.metadata.deployments {
        let model = model(deployment, facts, &trials);
        let users = load.users_per_second().into_iter();
        let needed = users.map(|users| model.replicas(f64::from(users) * rate, facts));
        let Some(curve) = Curve::per_second(needed, horizon) else {
            continue;
        };
        optimum.replica_seconds += curve.total(f64::from);
        let points = curve.points().iter();
        let points = points.map(|&(at, replicas)| OptimumPoint { at, replicas });
        optimum
            .replicas
            .insert(deployment.clone(), points.collect());
        optimum.demand.insert(deployment.clone(), model);
    }
    optimum
}

/// Page requests that were begun before the load step, over the users' time until then.
///
/// By the users that were planned: how many there are is sampled only once a second, and a sample that falls a hair
/// before the step may count its users already.
fn requests_per_user_second(load: &Load, trials: &[&Trial<'_>]) -> f64 {
    let planned = load.users_per_second();
    let Some(planned) = Curve::per_second(planned, f64::from(load.seconds())) else {
        return 0.0;
    };
    let (mut requests, mut user_seconds) = (0.0, 0.0);
    for trial in trials {
        let step = trial.record.metadata.step_at_seconds;
        let rest = step.min(f64::from(load.step_second()));
        requests += trial.begun_before(rest) as f64;
        user_seconds += planned.integral(0.0, rest, f64::from);
    }
    if user_seconds > 0.0 {
        requests / user_seconds
    } else {
        0.0
    }
}

fn model(deployment: &str, facts: &DeploymentFacts, trials: &[&Trial<'_>]) -> DemandModel {
    let calm: Vec<Observation> = trials
        .iter()
        .flat_map(|trial| observations(deployment, trial))
        .collect();
    let (cpu_seconds_per_request, idle_cores) = least_squares(&calm);
    DemandModel {
        cpu_seconds_per_request,
        idle_cores,
        pod_cores: facts
            .cpu_limit_cores
            .filter(|cores| *cores > 0.0)
            .or(Some(facts.cpu_request_cores).filter(|cores| *cores > 0.0))
            .unwrap_or(1.0),
    }
}

/// What a deployment did in a calm bin of time.
#[derive(Debug, Clone, Copy)]
struct Observation {
    requests: f64,
    pod_seconds: f64,
    cpu_seconds: f64,
}

fn observations(deployment: &str, trial: &Trial<'_>) -> Vec<Observation> {
    let none = Total::default();
    let cpu = trial.cpu.get(deployment).unwrap_or(&none);
    let ready = trial.replicas.get(deployment).map(|(_, ready)| ready);
    trial
        .bins()
        .iter()
        .filter(|bin| bin.failed_requests == 0 && bin.requests > 0)
        .map(|bin| {
            let end = (bin.at + LatencyBin::SECONDS).min(trial.horizon);
            Observation {
                requests: bin.requests as f64,
                pod_seconds: ready.map_or(0.0, |ready| ready.integral(bin.at, end, f64::from)),
                cpu_seconds: cpu.between(bin.at, end),
            }
        })
        .collect()
}

/// `(a, b)`, neither below 0, that minimise the sum of `(cpu - a requests - b pod_seconds)²`.
fn least_squares(observations: &[Observation]) -> (f64, f64) {
    let sum = |term: &dyn Fn(&Observation) -> f64| observations.iter().map(term).sum::<f64>();
    let rr = sum(&|o| o.requests * o.requests);
    let pp = sum(&|o| o.pod_seconds * o.pod_seconds);
    let rp = sum(&|o| o.requests * o.pod_seconds);
    let rc = sum(&|o| o.requests * o.cpu_seconds);
    let pc = sum(&|o| o.pod_seconds * o.cpu_seconds);
    let determinant = rr * pp - rp * rp;
    // Nearly proportional columns cannot be told apart: all is put down to the requests.
    if determinant > 1e-6 * rr * pp {
        let (a, b) = (
            (rc * pp - pc * rp) / determinant,
            (pc * rr - rc * rp) / determinant,
        );
        if a >= 0.0 && b >= 0.0 {
            return (a, b);
        }
        // With two columns, the best with both at least 0 has one of them at 0.
        if a < 0.0 {
            return (0.0, (pc / pp).max(0.0));
        }
    }
    (if rr > 0.0 { (rc / rr).max(0.0) } else { 0.0 }, 0.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FACTS: DeploymentFacts = DeploymentFacts {
        cpu_request_cores: 0.1,
        cpu_limit_cores: Some(0.2),
        min_replicas: 1,
        max_replicas: 20,
    };

    fn demand_model() -> DemandModel {
        DemandModel {
            cpu_seconds_per_request: 0.016,
            idle_cores: 0.0,
            pod_cores: 0.2,
        }
    }

    #[test]
    fn a_pod_carries_its_limit_times_the_utilisation() {
        // 0.2 cores * 0.8 / 16 ms = 10 requests a second.
        let replicas = |rate| demand_model().replicas(rate, &FACTS);
        assert_eq!([0.0, 10.0, 10.1, 28.0, 1e9].map(replicas), [1, 1, 2, 3, 20]);
        let idling = DemandModel {
            idle_cores: 0.08,
            ..demand_model()
        };
        assert_eq!(idling.replicas(28.0, &FACTS), 6);
    }

    #[test]
    fn cost_and_idling_are_told_apart() {
        let observation = |requests: f64, pod_seconds: f64| Observation {
            requests,
            pod_seconds,
            cpu_seconds: 0.02 * requests + 0.005 * pod_seconds,
        };
        let (a, b) = least_squares(&[
            observation(25.0, 5.0),
            observation(140.0, 20.0),
            observation(30.0, 20.0),
        ]);
        assert!(
            (a - 0.02).abs() < 1e-9 && (b - 0.005).abs() < 1e-9,
            "{a} {b}"
        );
        let (a, b) = least_squares(&[observation(25.0, 5.0)]);
        assert!((a - 0.021).abs() < 1e-9 && b == 0.0, "{a} {b}");
        assert_eq!(least_squares(&[]), (0.0, 0.0));
    }

    proptest! {
        #[test]
        fn more_load_never_needs_less(
            rate in 0.0..500.0f64, more in 0.0..500.0f64, cost in 0.0..0.1f64, idle in 0.0..0.3f64,
        ) {
            let model = DemandModel { cpu_seconds_per_request: cost, idle_cores: idle, pod_cores: 0.2 };
            let (few, many) = (model.replicas(rate, &FACTS), model.replicas(rate + more, &FACTS));
            prop_assert!(few <= many);
            prop_assert!((FACTS.min_replicas..=FACTS.max_replicas).contains(&many));
        }

        #[test]
        fn the_fit_is_never_negative(rows in prop::collection::vec((0.0..200.0f64, 0.0..100.0f64, 0.0..10.0f64), 0..30)) {
            let rows: Vec<_> = rows.into_iter().map(|(requests, pod_seconds, cpu_seconds)| Observation {
                requests, pod_seconds, cpu_seconds,
            }).collect();
            let (a, b) = least_squares(&rows);
            prop_assert!(a >= 0.0 && b >= 0.0 && a.is_finite() && b.is_finite());
        }
    }
}
