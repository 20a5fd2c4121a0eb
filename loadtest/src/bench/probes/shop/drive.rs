//! One turn of load: Locust, and the clocks before and after.

use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use probe_agent::node::NodeTotals;

use super::ShopArgs;
use super::policies::State;
use super::rig::{Rig, Target};
use super::tools::Running;
use super::turn::{Page, Turn};
use crate::compare::process_clock;
use crate::locust::{AT_ONCE, Event, LoadPlan, Locust, Run, Stage};

/// Load before a turn is measured: every user has opened the first page by then, and what a change of
/// policies has disturbed has settled.
const WARM_UP: Duration = Duration::from_secs(4);

/// Locust looks at its plan once a second and ends up to a second late; it is stopped anyway.
const SPARE_SECONDS: u32 = 10;

/// How often the processes are looked at while time passes.
const WATCH: Duration = Duration::from_millis(500);

/// Takes turns.
#[derive(Debug)]
pub(super) struct Driver<'a> {
    locust: &'a Locust,
    target: &'a Target,
    logs: &'a Path,
    args: &'a ShopArgs,
}

/// Clocks at one moment.
#[derive(Debug, Clone, Copy)]
struct Clocks {
    at: SystemTime,
    shop: Duration,
    machine: Duration,
    agent: Duration,
    tools: Duration,
}

impl<'a> Driver<'a> {
    pub(super) fn new(
        locust: &'a Locust,
        target: &'a Target,
        logs: &'a Path,
        args: &'a ShopArgs,
    ) -> Result<Self> {
        let driver = Self {
            locust,
            target,
            logs,
            args,
        };
        // Whatever cannot be read is known before the first turn.
        driver.clocks(&Running::NOTHING)?;
        Ok(driver)
    }

    /// Drives the load of `round`, which is the same whatever the state, and measures.
    pub(super) async fn take(
        &self,
        rig: &mut Rig,
        round: u32,
        state: State,
        tools: &Running,
    ) -> Result<Turn> {
        let mut load = self.locust.start(&self.plan(round), self.logs)?;
        let mut pages = Vec::new();
        self.pass(rig, &mut load, WARM_UP, &mut pages).await?;
        pages.clear();
        let before = self.clocks(tools)?;
        let seconds = Duration::from_secs(self.args.shop_seconds.into());
        self.pass(rig, &mut load, seconds, &mut pages).await?;
        let after = self.clocks(tools)?;
        let tools_rss_bytes = tools.rss_bytes();
        load.stop().await?;
        pages.retain(|page| (before.at..after.at).contains(&page.ended));
        let took = |clock: fn(&Clocks) -> Duration| {
            clock(&after).saturating_sub(clock(&before)).as_secs_f64()
        };
        if pages.is_empty() {
            bail!("no page was asked for within {seconds:?}: is the shop reachable?");
        }
        Ok(Turn {
            round,
            state,
            shop_cpu_seconds: took(|clocks| clocks.shop),
            machine_cpu_seconds: took(|clocks| clocks.machine),
            agent_cpu_seconds: took(|clocks| clocks.agent),
            tools_cpu_seconds: took(|clocks| clocks.tools),
            tools_rss_bytes,
            pages,
        })
    }

    fn plan(&self, round: u32) -> LoadPlan {
        let mut plan = LoadPlan::step(&self.target.frontend, 1, 1);
        plan.seed = self.args.seed.wrapping_add(round.into());
        let warm_up = u32::try_from(WARM_UP.as_secs()).unwrap_or(0);
        plan.stages = vec![Stage {
            users: self.args.users,
            seconds: warm_up + self.args.shop_seconds + SPARE_SECONDS,
            spawn_rate: AT_ONCE,
        }];
        plan
    }

    /// Lets `time` pass and takes note of pages; fails when Locust or a process ends meanwhile.
    async fn pass(
        &self,
        rig: &mut Rig,
        load: &mut Run,
        time: Duration,
        pages: &mut Vec<Page>,
    ) -> Result<()> {
        let end = tokio::time::Instant::now() + time;
        loop {
            let now = tokio::time::Instant::now();
            if now >= end {
                return Ok(());
            }
            rig.check()?;
            let look = end.min(now + WATCH);
            while let Ok(event) = tokio::time::timeout_at(look, load.next_event()).await {
                match event {
                    Some(Event::Request(request)) => pages.push(Page {
                        ended: request.at,
                        route: request.route,
                        latency: request.latency,
                        ok: request.ok,
                    }),
                    Some(Event::End { .. }) | None => bail!("Locust has ended before its time"),
                    Some(_) => {}
                }
            }
        }
    }

    fn clocks(&self, tools: &Running) -> Result<Clocks> {
        let machine = NodeTotals::read().context("cannot read /proc/stat")?;
        Ok(Clocks {
            at: SystemTime::now(),
            shop: self.target.pods.read().values().sum(),
            machine: Duration::from_nanos(machine.busy_ns),
            agent: process_clock(self.target.agent_pid).context("the agent has ended")?,
            tools: tools.cpu(),
        })
    }
}
