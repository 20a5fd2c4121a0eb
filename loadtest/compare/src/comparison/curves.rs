//! The curves of a trial, and those over the trials of one autoscaler.

use std::collections::BTreeMap;

use super::{Band, CpuPoint, LoadPoint, ReplicaPoint, Side, TrialView};
use crate::Measures;
use crate::measure::{LatencyBin, Trial};
use crate::scenario::Load;
use crate::statistics::median;

/// One trial as a report shows it.
pub(super) fn trial_view(trial: &Trial<'_>, measures: &Measures, load: &Load) -> TrialView {
    let record = trial.record;
    let metadata = &record.metadata;
    TrialView {
        key: record.key(),
        seed: metadata.seed,
        begin_unix_ms: metadata.begin_unix_ms,
        step_at_seconds: metadata.step_at_seconds,
        at_rest: measures.reaction.patches_before_step == 0,
        measures: measures.clone(),
        load: load_points(trial, load),
        replicas: replica_points(trial),
        cpu: cpu_points(trial),
        decisions: record.decisions.clone(),
        metrics_phase: metadata.metrics_phase.clone(),
        remarks: metadata.remarks.clone(),
    }
}

fn load_points(trial: &Trial<'_>, load: &Load) -> Vec<LoadPoint> {
    let mut points: Vec<LoadPoint> = (0u32..)
        .map(f64::from)
        .zip(load.users_per_second())
        .map(|(at, planned_users)| LoadPoint {
            at,
            planned_users,
            users: trial.users.as_ref().map_or(0, |users| users.at(at)),
            requests: 0,
            failed_requests: 0,
        })
        .collect();
    for request in &trial.requests {
        // Not negative: requests are cut to the horizon.
        if let Some(point) = points.get_mut(request.at as usize) {
            point.requests += 1;
            point.failed_requests += u64::from(!request.ok);
        }
    }
    points
}

fn replica_points(trial: &Trial<'_>) -> BTreeMap<String, Vec<ReplicaPoint>> {
    let points = trial.replicas.iter().map(|(name, (desired, ready))| {
        let both = desired.zip(ready);
        let points = both
            .points()
            .iter()
            .map(|&(at, (desired, ready))| ReplicaPoint { at, desired, ready });
        (name.clone(), points.collect())
    });
    points.collect()
}

fn cpu_points(trial: &Trial<'_>) -> BTreeMap<String, Vec<CpuPoint>> {
    let bins = (trial.horizon / LatencyBin::SECONDS).ceil() as u32;
    let points = trial.cpu.iter().map(|(name, cpu)| {
        let points = (0..bins).map(|bin| {
            let at = f64::from(bin) * LatencyBin::SECONDS;
            let end = (at + LatencyBin::SECONDS).min(trial.horizon);
            CpuPoint {
                at,
                cores: cpu.between(at, end) / (end - at),
            }
        });
        (name.clone(), points.collect())
    });
    points.collect()
}

/// The curves over the trials of one autoscaler.
pub(super) fn side(trials: &[(&Trial<'_>, &TrialView)], seconds: u32) -> Side {
    let per_second = |number: &dyn Fn(&LoadPoint) -> u64| {
        bands(seconds, |second| {
            let points = trials
                .iter()
                .filter_map(|(_, view)| view.load.get(second as usize));
            points.map(|point| number(point) as f64).collect()
        })
    };
    let replicas = |of_ready: bool| -> BTreeMap<String, Vec<Band>> {
        let names = trials.first().map(|(trial, _)| trial.replicas.keys());
        let bands = names.into_iter().flatten().map(|name| {
            let bands = bands(seconds, |second| {
                let curves = trials
                    .iter()
                    .filter_map(|(trial, _)| trial.replicas.get(name));
                let curves = curves.map(|(desired, ready)| if of_ready { ready } else { desired });
                curves
                    .map(|curve| f64::from(curve.at(f64::from(second))))
                    .collect()
            });
            (name.clone(), bands)
        });
        bands.collect()
    };
    Side {
        typical_trial: typical_trial(trials.iter().map(|(_, view)| *view)),
        requests: per_second(&|point| point.requests),
        failures: per_second(&|point| point.failed_requests),
        desired: replicas(false),
        ready: replicas(true),
    }
}

/// A band of the values of each second.
fn bands(seconds: u32, values: impl Fn(u32) -> Vec<f64>) -> Vec<Band> {
    (0..seconds)
        .filter_map(|second| {
            let values = values(second);
            Some(Band {
                at: f64::from(second),
                min: values.iter().copied().reduce(f64::min)?,
                median: median(&values),
                max: values.iter().copied().reduce(f64::max)?,
            })
        })
        .collect()
}

/// The trial with the median number of failed requests; the lower of two.
fn typical_trial<'a>(views: impl Iterator<Item = &'a TrialView>) -> u32 {
    let mut trials: Vec<_> = views
        .map(|view| (view.measures.failed_requests, view.key.trial))
        .collect();
    trials.sort_unstable();
    let middle = trials.len().saturating_sub(1) / 2;
    trials.get(middle).map_or(1, |(_, trial)| *trial)
}
