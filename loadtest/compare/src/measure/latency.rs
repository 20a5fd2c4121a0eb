//! Requests by route: how many, how many failed, how long they took.

use std::collections::BTreeMap;

use super::{LatencyBin, Quantiles, RouteMeasures};
use crate::record::RequestRecord;

/// Some requests, counted.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) requests: u64,
    pub(super) failed: u64,
    /// Of the pages that users got; none when nobody got one.
    pub(super) latency: Option<Quantiles>,
}

impl Tally {
    pub(super) fn of<'a>(requests: impl IntoIterator<Item = &'a RequestRecord>) -> Self {
        let mut tally = Self::default();
        let mut latencies = Vec::new();
        for request in requests {
            tally.requests += 1;
            if request.ok {
                latencies.push(request.ms);
            } else {
                tally.failed += 1;
            }
        }
        latencies.sort_by(f64::total_cmp);
        tally.latency = quantiles(&latencies);
        tally
    }
}

/// By nearest rank: the smallest latency that the given share of the pages did not exceed. A trial has some thousand
/// pages; sorting them is exact and needs no histogram.
fn quantiles(sorted_ms: &[f64]) -> Option<Quantiles> {
    let last = sorted_ms.len().checked_sub(1)?;
    let at = |percent: usize| {
        let rank = (sorted_ms.len() * percent).div_ceil(100);
        sorted_ms[rank.saturating_sub(1).min(last)]
    };
    Some(Quantiles {
        p50_ms: at(50),
        p95_ms: at(95),
        p99_ms: at(99),
    })
}

/// The measures of every route that was asked for.
pub(super) fn by_route(
    requests: &[&RequestRecord],
    horizon: f64,
) -> BTreeMap<String, RouteMeasures> {
    let mut routes: BTreeMap<&str, Vec<&RequestRecord>> = BTreeMap::new();
    for request in requests {
        routes.entry(&request.route).or_default().push(request);
    }
    routes
        .into_iter()
        .map(|(route, requests)| {
            let tally = Tally::of(requests.iter().copied());
            let measures = RouteMeasures {
                requests: tally.requests,
                failed_requests: tally.failed,
                latency: tally.latency,
                bins: bins(&requests, horizon),
            };
            (route.to_owned(), measures)
        })
        .collect()
}

/// Requests by the time of their end.
pub(super) fn bins(requests: &[&RequestRecord], horizon: f64) -> Vec<LatencyBin> {
    let count = (horizon / LatencyBin::SECONDS).ceil() as usize;
    let mut members: Vec<Vec<&RequestRecord>> = vec![Vec::new(); count];
    for request in requests {
        let index = (request.at / LatencyBin::SECONDS) as usize;
        if let Some(bin) = members.get_mut(index) {
            bin.push(request);
        }
    }
    members
        .into_iter()
        .enumerate()
        .map(|(index, requests)| {
            let tally = Tally::of(requests);
            LatencyBin {
                at: index as f64 * LatencyBin::SECONDS,
                requests: tally.requests,
                failed_requests: tally.failed,
                latency: tally.latency,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(at: f64, ms: f64, ok: bool) -> RequestRecord {
        RequestRecord {
            at,
            route: "GET /".into(),
            status: if ok { 200 } else { 500 },
            ms,
            ok,
            error: None,
        }
    }

    #[test]
    fn failures_count_and_have_no_say_in_latency() {
        let requests: Vec<_> = (1..=100)
            .map(|ms| request(f64::from(ms) / 10.0, f64::from(ms), true))
            .chain([request(9.0, 9_999.0, false)])
            .collect();
        let requests: Vec<_> = requests.iter().collect();
        let route = &by_route(&requests, 12.0)["GET /"];
        assert_eq!((route.requests, route.failed_requests), (101, 1));
        let latency = route.latency.unwrap();
        assert_eq!(
            latency,
            Quantiles {
                p50_ms: 50.0,
                p95_ms: 95.0,
                p99_ms: 99.0
            }
        );
        assert_eq!(route.bins.len(), 3);
        assert_eq!(route.bins.iter().map(|bin| bin.requests).sum::<u64>(), 101);
        assert_eq!((route.bins[2].at, route.bins[2].requests), (10.0, 1));
        assert_eq!(route.bins[2].latency.unwrap().p50_ms, 100.0);
    }

    #[test]
    fn nothing_has_no_latency() {
        assert_eq!(Tally::of([&request(1.0, 5.0, false)]).latency, None);
        assert!(by_route(&[], 10.0).is_empty());
    }
}
