//! What one turn measured, in numbers that compare. Pure.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use super::policies::State;

/// A page request.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Page {
    pub(super) ended: SystemTime,
    pub(super) route: String,
    pub(super) latency: Duration,
    pub(super) ok: bool,
}

/// One state in one round.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Turn {
    pub(super) round: u32,
    pub(super) state: State,
    /// Of all pods of the shop.
    pub(super) shop_cpu_seconds: f64,
    /// Of everything on this machine, interrupts and the load itself included.
    pub(super) machine_cpu_seconds: f64,
    pub(super) agent_cpu_seconds: f64,
    /// Of the other tools' processes, where they ran.
    pub(super) tools_cpu_seconds: f64,
    /// At the end, their resident memory.
    pub(super) tools_rss_bytes: u64,
    pub(super) pages: Vec<Page>,
}

/// The median latency of each route over all turns, in seconds: by these, pages of different routes
/// compare, so that the mix of pages in a turn does not look like an overhead.
#[derive(Debug)]
pub(super) struct Usual(BTreeMap<String, f64>);

impl Usual {
    pub(super) fn of(turns: &[Turn]) -> Self {
        let mut routes: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for page in turns.iter().flat_map(Turn::served) {
            let latencies = routes.entry(&page.route).or_default();
            latencies.push(page.latency.as_secs_f64());
        }
        let median = |(route, mut latencies): (&str, Vec<f64>)| {
            Some((route.to_owned(), quantile(&mut latencies, 0.5)?))
        };
        Self(routes.into_iter().filter_map(median).collect())
    }
}

impl Turn {
    /// Of parts of one turn, what they are together; `None` of none.
    pub(super) fn of_parts(parts: impl IntoIterator<Item = Self>) -> Option<Self> {
        parts.into_iter().reduce(|mut whole, part| {
            whole.shop_cpu_seconds += part.shop_cpu_seconds;
            whole.machine_cpu_seconds += part.machine_cpu_seconds;
            whole.agent_cpu_seconds += part.agent_cpu_seconds;
            whole.tools_cpu_seconds += part.tools_cpu_seconds;
            whole.tools_rss_bytes = part.tools_rss_bytes;
            whole.pages.extend(part.pages);
            whole
        })
    }

    /// Pages that users got.
    pub(super) fn served(&self) -> impl Iterator<Item = &Page> {
        self.pages.iter().filter(|page| page.ok)
    }

    /// Pages that users did not get.
    pub(super) fn failed(&self) -> usize {
        self.pages.len() - self.served().count()
    }

    /// CPU of the shop by served page, in ms; `None` when nobody got a page.
    pub(super) fn shop_cpu_ms(&self) -> Option<f64> {
        self.by_page(self.shop_cpu_seconds)
    }

    /// CPU of the machine by served page, in ms.
    pub(super) fn machine_cpu_ms(&self) -> Option<f64> {
        self.by_page(self.machine_cpu_seconds)
    }

    /// CPU of the shop by what its served pages usually take: 1 page that usually takes 10 ms counts as two
    /// that take 5. The mix of pages differs from turn to turn.
    pub(super) fn relative_shop_cpu(&self, usual: &Usual) -> Option<f64> {
        self.by_work(self.shop_cpu_seconds, usual)
    }

    /// The same of the machine.
    pub(super) fn relative_machine_cpu(&self, usual: &Usual) -> Option<f64> {
        self.by_work(self.machine_cpu_seconds, usual)
    }

    fn by_work(&self, seconds: f64, usual: &Usual) -> Option<f64> {
        let work: f64 = self
            .served()
            .filter_map(|page| usual.0.get(&page.route))
            .sum();
        (work > 0.0).then(|| seconds / work)
    }

    fn by_page(&self, seconds: f64) -> Option<f64> {
        let pages = self.served().count();
        (pages > 0).then(|| seconds * 1e3 / pages as f64)
    }

    /// The latency in ms that so many of the served pages did not exceed.
    pub(super) fn latency_ms(&self, share: f64) -> Option<f64> {
        let mut latencies: Vec<f64> = self
            .served()
            .map(|page| page.latency.as_secs_f64() * 1e3)
            .collect();
        quantile(&mut latencies, share)
    }

    /// The same of latencies by what is usual for the page's route: 1 is as usual.
    pub(super) fn relative_latency(&self, usual: &Usual, share: f64) -> Option<f64> {
        let mut latencies: Vec<f64> = self
            .served()
            .filter_map(|page| {
                let usual = usual.0.get(&page.route).filter(|usual| **usual > 0.0)?;
                Some(page.latency.as_secs_f64() / usual)
            })
            .collect();
        quantile(&mut latencies, share)
    }
}

/// By nearest rank; `None` of nothing.
fn quantile(values: &mut [f64], share: f64) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let rank = (values.len() as f64 * share).ceil() as usize;
    values.get(rank.saturating_sub(1)).copied()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A turn with pages of these latencies, in ms, on two routes that differ tenfold.
    pub(in super::super) fn turn(round: u32, state: State, cpu: f64, latencies: &[u64]) -> Turn {
        let page = |(route, factor): (&str, u64)| {
            let route = route.to_owned();
            latencies.iter().map(move |ms| Page {
                ended: SystemTime::UNIX_EPOCH,
                route: route.clone(),
                latency: Duration::from_millis(ms * factor),
                ok: true,
            })
        };
        Turn {
            round,
            state,
            shop_cpu_seconds: cpu,
            machine_cpu_seconds: 2.0 * cpu,
            agent_cpu_seconds: 0.01,
            tools_cpu_seconds: 0.0,
            tools_rss_bytes: 0,
            pages: [("GET /", 10), ("GET /cart", 1)]
                .into_iter()
                .flat_map(page)
                .collect(),
        }
    }

    #[test]
    fn routes_compare_by_what_is_usual_for_them() {
        let quiet = turn(0, State::None, 1.0, &[10, 10, 10]);
        let slow = turn(0, State::All, 1.0, &[11, 11, 11]);
        // The same pages, but for the mix.
        let mut mixed = slow.clone();
        mixed.pages.retain(|page| page.route == "GET /");
        let usual = Usual::of(&[quiet.clone(), quiet.clone(), slow.clone()]);
        for (turn, expected) in [(&quiet, 1.0), (&slow, 1.1), (&mixed, 1.1)] {
            let median = turn.relative_latency(&usual, 0.5).unwrap();
            assert!((median - expected).abs() < 1e-9, "{median}");
        }
    }

    #[test]
    fn the_mix_of_pages_is_no_overhead() {
        let whole = turn(0, State::None, 1.0, &[10, 10, 10, 10]);
        let usual = Usual::of(std::slice::from_ref(&whole));
        // Three fifths of the work: three long pages, and none of the short ones.
        let mut long = turn(0, State::All, 30.0 / 44.0, &[10, 10, 10]);
        long.pages.retain(|page| page.route == "GET /");
        let (all, long) = (
            whole.relative_shop_cpu(&usual).unwrap(),
            long.relative_shop_cpu(&usual).unwrap(),
        );
        assert!((all - long).abs() < 1e-9, "{all} {long}");
    }

    #[test]
    fn parts_add_up() {
        let part = turn(0, State::All, 0.5, &[10, 20]);
        let whole = Turn::of_parts([part.clone(), part.clone(), part.clone()]).unwrap();
        assert!((whole.shop_cpu_seconds - 1.5).abs() < 1e-9);
        assert!((whole.agent_cpu_seconds - 0.03).abs() < 1e-9);
        assert_eq!(whole.pages.len(), 3 * part.pages.len());
        assert_eq!(whole.shop_cpu_ms(), part.shop_cpu_ms());
        assert_eq!(Turn::of_parts([]), None);
    }

    #[test]
    fn what_failed_has_no_latency_and_no_cpu() {
        let mut one = turn(0, State::None, 0.6, &[10, 20, 30]);
        one.pages[0].ok = false;
        assert_eq!(one.failed(), 1);
        let cpu = one.shop_cpu_ms().unwrap();
        assert!((cpu - 600.0 / 5.0).abs() < 1e-9);
        one.pages.iter_mut().for_each(|page| page.ok = false);
        assert_eq!((one.shop_cpu_ms(), one.latency_ms(0.5)), (None, None));
    }

    #[test]
    fn quantiles_are_values_that_were_seen() {
        let mut values: Vec<f64> = (1..=100).map(f64::from).rev().collect();
        assert_eq!(quantile(&mut values, 0.5), Some(50.0));
        assert_eq!(quantile(&mut values, 0.99), Some(99.0));
        assert_eq!(quantile(&mut values, 1.0), Some(100.0));
        assert_eq!(quantile(&mut [], 0.5), None);
    }
}
