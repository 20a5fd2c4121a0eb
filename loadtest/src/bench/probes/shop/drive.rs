//! One round of load: Locust, the states in turn, and the clocks before and after each part.

use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use aya::sys::{Stats, enable_stats};
use probe_agent::node::NodeTotals;

use super::account::{Entry, programs_of};
use super::order::there_and_back;
use super::policies::State;
use super::rig::{CHANGE_DEADLINE, Rig, Target};
use super::tools::{Running, Tools};
use super::turn::{Page, Turn};
use super::{PART, ShopArgs};
use crate::bench::probes::events::measure;
use crate::compare::process_clock;
use crate::locust::{AT_ONCE, Event, LoadPlan, Locust, Run, Stage};

/// Load before a round is measured: every user has opened the first page by then.
const WARM_UP: Duration = Duration::from_secs(4);

/// Before a part of a turn is measured: what a change of policies has disturbed settles.
const SETTLE: Duration = Duration::from_secs(1);

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

    /// Drives the load of `round` while the states take turns, each in parts; what was measured of each state.
    pub(super) async fn take(
        &self,
        rig: &mut Rig,
        round: u32,
        states: &[State],
        tools: &[Tools],
    ) -> Result<Vec<Turn>> {
        let order = there_and_back(states, self.args.parts());
        let mut load = self.start_load(rig, round, &order).await?;
        let mut parts: Vec<Turn> = Vec::new();
        for state in order {
            rig.change(self.target, state).await?;
            let running = match tools.iter().find(|tools| tools.state == state) {
                Some(tools) => tools.start().await?,
                None => Running::NOTHING,
            };
            parts.push(self.part(rig, &mut load, round, state, &running).await?);
        }
        load.stop().await?;
        let turn = |state: &State| {
            let of_state = parts.iter().filter(|part| part.state == *state);
            Turn::of_parts(of_state.cloned())
        };
        Ok(states.iter().filter_map(turn).collect())
    }

    /// The same once more while the kernel accounts for our programs, which costs something itself.
    pub(super) async fn account(&self, rig: &mut Rig, round: u32) -> Result<Vec<Entry>> {
        let _statistics =
            enable_stats(Stats::RunTime).context("cannot switch on BPF statistics")?;
        let order = there_and_back(&State::OWN, self.args.parts());
        let mut load = self.start_load(rig, round, &order).await?;
        let mut entries = Vec::new();
        for state in order {
            rig.change(self.target, state).await?;
            let cost = async {
                match state {
                    State::None => measure::floor(PART).await,
                    _ => {
                        let ids = programs_of(self.target.agent_pid)?;
                        Ok(measure::measure(&ids, None, PART).await)
                    }
                }
            };
            let nothing = Running::NOTHING;
            let part = self.part(rig, &mut load, round, state, &nothing);
            let (part, cost) = tokio::try_join!(part, cost)?;
            entries.push(Entry {
                state,
                cost,
                shop_cpu_seconds: part.shop_cpu_seconds,
                pages: part.served().count(),
            });
        }
        load.stop().await?;
        Ok(entries)
    }

    /// Measures a part of a turn, as it is.
    async fn part(
        &self,
        rig: &mut Rig,
        load: &mut Run,
        round: u32,
        state: State,
        tools: &Running,
    ) -> Result<Turn> {
        let mut pages = Vec::new();
        self.pass(rig, load, SETTLE, &mut pages).await?;
        pages.clear();
        let before = self.clocks(tools)?;
        self.pass(rig, load, PART, &mut pages).await?;
        let after = self.clocks(tools)?;
        pages.retain(|page| (before.at..after.at).contains(&page.ended));
        let took = |clock: fn(&Clocks) -> Duration| {
            clock(&after).saturating_sub(clock(&before)).as_secs_f64()
        };
        if pages.is_empty() {
            bail!("no page was asked for within {PART:?}: is the shop reachable?");
        }
        Ok(Turn {
            round,
            state,
            shop_cpu_seconds: took(|clocks| clocks.shop),
            machine_cpu_seconds: took(|clocks| clocks.machine),
            agent_cpu_seconds: took(|clocks| clocks.agent),
            tools_cpu_seconds: took(|clocks| clocks.tools),
            tools_rss_bytes: tools.rss_bytes(),
            pages,
        })
    }

    /// The load of `round`, warm.
    async fn start_load(&self, rig: &mut Rig, round: u32, order: &[State]) -> Result<Run> {
        let mut load = self.locust.start(&self.plan(round, order), self.logs)?;
        self.pass(rig, &mut load, WARM_UP, &mut Vec::new()).await?;
        Ok(load)
    }

    /// Longer than all parts and changes can take; it is stopped before.
    fn plan(&self, round: u32, order: &[State]) -> LoadPlan {
        let mut plan = LoadPlan::step(&self.target.frontend, 1, 1);
        plan.seed = self.args.seed.wrapping_add(round.into());
        let longest = WARM_UP + (CHANGE_DEADLINE + SETTLE + PART) * order.len() as u32;
        plan.stages = vec![Stage {
            users: self.args.users,
            seconds: u32::try_from(longest.as_secs()).unwrap_or(u32::MAX),
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
