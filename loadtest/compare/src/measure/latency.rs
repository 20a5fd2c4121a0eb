//! Requests by route: how many, how many failed, how long they took.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use super::{LatencyBin, Quantiles, RouteMeasures};
use crate::record::RequestRecord;

/// Longest latency that is told apart from longer ones, in microseconds: an hour.
const LONGEST_US: u64 = 3_600_000_000;
/// Digits to which latencies are exact.
const DIGITS: u8 = 3;

/// Some requests, counted.
pub(super) struct Tally {
    requests: u64,
    failed: u64,
    /// Of pages that users got, in microseconds.
    latency: Histogram<u32>,
}

impl Tally {
    pub(super) fn new() -> Self {
        let latency = Histogram::new_with_bounds(1, LONGEST_US, DIGITS)
            .expect("the bounds are in order and three digits are allowed");
        Self {
            requests: 0,
            failed: 0,
            latency,
        }
    }

    pub(super) fn of<'a>(requests: impl IntoIterator<Item = &'a RequestRecord>) -> Self {
        let mut tally = Self::new();
        requests.into_iter().for_each(|request| tally.add(request));
        tally
    }

    fn add(&mut self, request: &RequestRecord) {
        self.requests += 1;
        if request.ok {
            // `as` takes what is no number for 0.
            self.latency
                .saturating_record(((request.ms * 1000.0) as u64).max(1));
        } else {
            self.failed += 1;
        }
    }

    pub(super) fn requests(&self) -> u64 {
        self.requests
    }

    pub(super) fn failed(&self) -> u64 {
        self.failed
    }

    pub(super) fn quantiles(&self) -> Option<Quantiles> {
        if self.latency.is_empty() {
            return None;
        }
        // Well below 2^53.
        let ms = |quantile| self.latency.value_at_quantile(quantile) as f64 / 1000.0;
        Some(Quantiles {
            p50_ms: ms(0.50),
            p95_ms: ms(0.95),
            p99_ms: ms(0.99),
        })
    }
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
                requests: tally.requests(),
                failed_requests: tally.failed(),
                latency: tally.quantiles(),
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
                requests: tally.requests(),
                failed_requests: tally.failed(),
                latency: tally.quantiles(),
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
        let near = |value: f64, expected: f64| (value / expected - 1.0).abs() < 2e-3;
        assert!(near(latency.p50_ms, 50.0), "{latency:?}");
        assert!(
            near(latency.p95_ms, 95.0) && near(latency.p99_ms, 99.0),
            "{latency:?}"
        );
        assert_eq!(route.bins.len(), 3);
        assert_eq!(route.bins.iter().map(|bin| bin.requests).sum::<u64>(), 101);
        assert_eq!((route.bins[2].at, route.bins[2].requests), (10.0, 1));
        assert!(near(route.bins[2].latency.unwrap().p50_ms, 100.0));
    }

    #[test]
    fn nothing_has_no_latency() {
        assert_eq!(Tally::of([&request(1.0, 5.0, false)]).quantiles(), None);
        assert!(by_route(&[], 10.0).is_empty());
    }
}
