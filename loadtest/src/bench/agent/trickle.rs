//! A little real load, so that there is something to measure: switches, page faults, sent bytes.

use std::cell::Cell;
use std::convert::Infallible;
use std::ops::Sub;
use std::time::Duration;

use anyhow::{Context, Result};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::time::MissedTickBehavior;

/// Requests to each pod, on average: the Service spreads them.
const PER_POD_AND_SECOND: u32 = 4;

/// Requests to all pods together: beyond, the load would be what is measured.
const MOST_PER_SECOND: u32 = 200;

/// How long one may take.
const DEADLINE: Duration = Duration::from_secs(2);

/// Requests under way; while there are so many no more are started.
const MOST_IN_FLIGHT: usize = 64;

/// Load on one Service for as long as it is polled.
#[derive(Debug)]
pub(super) struct Trickle {
    client: reqwest::Client,
    url: String,
    period: Duration,
    count: Cell<Requests>,
}

/// Requests that have ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Requests {
    pub(super) answered: u64,
    pub(super) failed: u64,
}

impl Sub for Requests {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            answered: self.answered - earlier.answered,
            failed: self.failed - earlier.failed,
        }
    }
}

impl Trickle {
    /// Load on `url`, behind which there are `pods` pods.
    pub(super) fn new(url: &str, pods: u32) -> Result<Self> {
        let client = reqwest::Client::builder()
            .timeout(DEADLINE)
            .no_proxy()
            .build()
            .context("cannot make an HTTP client")?;
        Ok(Self {
            client,
            url: url.to_owned(),
            period: Duration::from_secs(1)
                / PER_POD_AND_SECOND
                    .saturating_mul(pods.max(1))
                    .min(MOST_PER_SECOND),
            count: Cell::default(),
        })
    }

    /// What has ended so far.
    pub(super) fn count(&self) -> Requests {
        self.count.get()
    }

    /// Sends requests, evenly spaced, for ever.
    pub(super) async fn run(&self) -> Infallible {
        let mut ticks = tokio::time::interval(self.period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut in_flight = FuturesUnordered::new();
        loop {
            tokio::select! {
                _ = ticks.tick(), if in_flight.len() < MOST_IN_FLIGHT => in_flight.push(self.request()),
                Some(answered) = in_flight.next() => self.note(answered),
            }
        }
    }

    async fn request(&self) -> bool {
        let answer = self.client.get(&self.url).send().await;
        match answer.and_then(reqwest::Response::error_for_status) {
            // Read to its end, so that the connection is used again.
            Ok(answer) => answer.bytes().await.is_ok(),
            Err(_) => false,
        }
    }

    fn note(&self, answered: bool) {
        let mut count = self.count.get();
        match answered {
            true => count.answered += 1,
            false => count.failed += 1,
        }
        self.count.set(count);
    }
}
