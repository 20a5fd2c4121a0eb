//! Failures and latency by route, peak replicas by deployment.

use std::collections::{BTreeMap, BTreeSet};

use super::judge::BOOTSTRAP_SEED;
use super::{LatencyBand, Pair, PeakReplicas, RouteFailures, RouteLatency, thesis};
use crate::measure::{LatencyBin, Optimum, Quantiles};
use crate::statistics::{Estimate, median};
use crate::{Autoscaler, Measures};

/// The name under which all routes stand together.
const ALL_ROUTES: &str = "all";

/// The numbers of each autoscaler's trials.
fn numbers(measures: &[Pair<&Measures>], number: impl Fn(&Measures) -> f64) -> Pair<Vec<f64>> {
    Pair::from_fn(|autoscaler| {
        let of = |pair: &Pair<&Measures>| number(pair.of(autoscaler));
        measures.iter().map(of).collect()
    })
}

fn estimates(numbers: &Pair<Vec<f64>>) -> Pair<Estimate> {
    Pair::from_fn(|autoscaler| Estimate::of_numbers(numbers.of(autoscaler), BOOTSTRAP_SEED))
}

fn routes(measures: &[Pair<&Measures>]) -> BTreeSet<String> {
    let sides = measures.iter().flat_map(|pair| [pair.hpa, pair.viperscale]);
    sides.flat_map(|side| side.routes.keys().cloned()).collect()
}

/// The routes, the most failures first.
pub(super) fn route_failures(measures: &[Pair<&Measures>]) -> Vec<RouteFailures> {
    let mut table: Vec<RouteFailures> = routes(measures)
        .into_iter()
        .map(|route| {
            let of = |m: &Measures| {
                m.routes
                    .get(&route)
                    .map(|r| (r.failed_requests, r.requests))
            };
            let failed = numbers(measures, |m| of(m).map_or(0.0, |(failed, _)| failed as f64));
            let share = numbers(measures, |m| match of(m) {
                Some((failed, requests)) if requests > 0 => failed as f64 / requests as f64,
                _ => 0.0,
            });
            RouteFailures {
                uses_recommendation: thesis::uses_recommendation(&route),
                failed: estimates(&failed),
                share: estimates(&share),
                ratio: Estimate::of_ratio(&failed.hpa, &failed.viperscale, BOOTSTRAP_SEED),
                route,
            }
        })
        .collect();
    let most = |route: &RouteFailures| route.failed.hpa.median + route.failed.viperscale.median;
    table.sort_by(|a, b| most(b).total_cmp(&most(a)));
    table
}

/// All routes together, then each.
pub(super) fn route_latency(
    measures: &[Pair<&Measures>],
    all_bins: &[Pair<Vec<LatencyBin>>],
) -> Vec<RouteLatency> {
    let mut table = vec![RouteLatency::new(
        ALL_ROUTES.to_owned(),
        &|pair, side| measures[pair].of(side).latency,
        &|pair, side| all_bins[pair].of(side).as_slice(),
        measures.len(),
    )];
    table.extend(routes(measures).into_iter().map(|route| {
        let of = |pair: usize, side| measures[pair].of(side).routes.get(&route);
        RouteLatency::new(
            route.clone(),
            &|pair, side| of(pair, side)?.latency,
            &|pair, side| of(pair, side).map_or(&[], |measures| &measures.bins),
            measures.len(),
        )
    }));
    table
}

impl RouteLatency {
    /// From the quantiles and the bins of pair `0..pairs`, of each autoscaler.
    fn new<'a>(
        route: String,
        whole: &dyn Fn(usize, Autoscaler) -> Option<Quantiles>,
        bins: &dyn Fn(usize, Autoscaler) -> &'a [LatencyBin],
        pairs: usize,
    ) -> Self {
        let estimate = |quantile: fn(Quantiles) -> f64| {
            Pair::from_fn(|side| {
                let numbers: Vec<f64> = (0..pairs)
                    .filter_map(|pair| whole(pair, side).map(quantile))
                    .collect();
                (!numbers.is_empty()).then(|| Estimate::of_numbers(&numbers, BOOTSTRAP_SEED))
            })
        };
        Self {
            route,
            over_time: Pair::from_fn(|side| bands((0..pairs).map(|pair| bins(pair, side)))),
            p50_ms: estimate(|quantiles| quantiles.p50_ms),
            p95_ms: estimate(|quantiles| quantiles.p95_ms),
            p99_ms: estimate(|quantiles| quantiles.p99_ms),
        }
    }
}

/// Medians over the trials in each bin in which users got pages.
fn bands<'a>(trials: impl Iterator<Item = &'a [LatencyBin]>) -> Vec<LatencyBand> {
    let mut by_bin: BTreeMap<usize, Vec<Quantiles>> = BTreeMap::new();
    for bins in trials {
        for (index, bin) in bins.iter().enumerate() {
            by_bin.entry(index).or_default().extend(bin.latency);
        }
    }
    let of = |all: &[Quantiles], quantile: fn(&Quantiles) -> f64| {
        median(&all.iter().map(quantile).collect::<Vec<_>>())
    };
    by_bin
        .into_iter()
        .filter(|(_, all)| !all.is_empty())
        .map(|(index, all)| LatencyBand {
            at: index as f64 * LatencyBin::SECONDS,
            p50_ms: of(&all, |quantiles| quantiles.p50_ms),
            p95_ms: of(&all, |quantiles| quantiles.p95_ms),
            p99_ms: of(&all, |quantiles| quantiles.p99_ms),
        })
        .collect()
}

/// The scaled deployments, in the scenario's order.
pub(super) fn peaks<'a>(
    deployments: impl Iterator<Item = &'a str>,
    measures: &[Pair<&Measures>],
    optimum: &Optimum,
) -> Vec<PeakReplicas> {
    deployments
        .map(|deployment| {
            let peak = numbers(measures, |measures| {
                let own = measures.deployments.get(deployment);
                own.map_or(0.0, |own| f64::from(own.peak_replicas))
            });
            let points = optimum.replicas.get(deployment).into_iter().flatten();
            PeakReplicas {
                deployment: deployment.to_owned(),
                peak: estimates(&peak),
                optimum: points.map(|point| point.replicas).max().unwrap_or(0),
                thesis: thesis::peak(deployment),
            }
        })
        .collect()
}
