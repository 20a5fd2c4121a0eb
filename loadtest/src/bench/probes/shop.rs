//! What the probes cost the demo shop under load: CPU and latency, with none, the core and all metrics.
//!
//! ```text
//!  each round:  none │ core │ all │ libbpf-tools │ bpftrace, in another order each time; the same users
//!  each turn:   policies written ─▶ in force in the kernel ─▶ Locust ─▶ clocks, pages    turn
//!  each round's turns, divided by its `none` ─▶ medians and intervals over rounds        overhead
//! ```
//!
//! The state is changed as a user changes it, by editing policies; cluster, shop, scaler and agent run
//! on all the time.

mod drive;
mod order;
mod overhead;
pub(super) mod policies;
mod rig;
mod text;
mod tools;
mod turn;
mod verdict;

use std::path::Path;

use anyhow::Result;
use clap::Args;

pub(crate) use overhead::{Overhead, ShopReport};

use crate::local::{Machine, Programs, RunDir, unless_interrupted};
use crate::locust::{Locust, Spinner};
use drive::Driver;
use order::order;
use policies::State;
use rig::Rig;
use tools::{Running, Tools};
use turn::Turn;

/// Options of the shop's part.
#[derive(Debug, Args)]
pub(super) struct ShopArgs {
    /// shop: how often each state is measured; the more, the narrower the intervals
    #[arg(long, env = "VIPERSCALE_SHOP_ROUNDS", default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(super) shop_rounds: u32,
    /// shop: how long each is measured
    #[arg(long, env = "VIPERSCALE_SHOP_SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u32).range(5..=3600))]
    pub(super) shop_seconds: u32,
    /// shop: virtual users; few enough that no pod is at its limit, where waiting hides everything
    #[arg(long, env = "VIPERSCALE_USERS", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) users: u32,
    /// shop: pods of each Deployment
    #[arg(long, env = "VIPERSCALE_REPLICAS", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=20))]
    pub(super) replicas: u32,
    /// shop: leave out the turns of other tools
    #[arg(long, env = "VIPERSCALE_WITHOUT_PEERS")]
    pub(super) without_peers: bool,
    /// shop: source of the users' choices; each round has its own
    #[arg(long, env = "VIPERSCALE_SEED", default_value_t = 1)]
    pub(super) seed: u64,
}

/// Measures with state and logs below `dir`.
///
/// # Errors
/// Whatever stands in the way, with what to do about it. Nothing that was started stays.
pub(super) async fn measure(args: &ShopArgs, dir: &Path) -> Result<ShopReport> {
    let programs = Programs::beside_this_one()?;
    Machine::inspect(&[&programs.probe_agent, &programs.scaler, &programs.demo_shop]).check()?;
    let spinner = Spinner::stderr();
    let tell = |step: &str| spinner.step(step);
    let locust = unless_interrupted(async { Ok(Locust::ensure(&tell).await?) }).await?;
    let run_dir = RunDir::claim(dir)?;

    let mut rig = Rig::default();
    let turns = take_turns(args, &programs, &run_dir, &locust, &mut rig, &spinner);
    let outcome = unless_interrupted(turns).await;
    rig.stop().await;
    run_dir.conclude(outcome)
}

async fn take_turns(
    args: &ShopArgs,
    programs: &Programs,
    run_dir: &RunDir,
    locust: &Locust,
    rig: &mut Rig,
    spinner: &Spinner,
) -> Result<ShopReport> {
    spinner.step("starting the local cluster, the shop, the scaler and the agent");
    let target = rig.start(programs, run_dir, args.replicas).await?;
    let unsupported = target.agent.unsupported().await?;
    let logs = run_dir.logs();
    let driver = Driver::new(locust, &target, &logs, args)?;
    spinner.step("trying other tools");
    let tools = match args.without_peers {
        true => Vec::new(),
        false => vec![
            Tools::try_all(State::LibbpfTools).await?,
            Tools::try_all(State::Bpftrace).await?,
        ],
    };
    let work = tools.iter().filter(|tools| !tools.ran.is_empty());
    let states: Vec<State> = State::OWN
        .into_iter()
        .chain(work.map(|tools| tools.state))
        .collect();
    let mut turns: Vec<Turn> = Vec::new();
    for round in 0..args.shop_rounds {
        for state in order(&states, round) {
            spinner.step(&format!(
                "round {} of {}: {}",
                round + 1,
                args.shop_rounds,
                state.words()
            ));
            rig.change(&target, state).await?;
            let running = match tools.iter().find(|tools| tools.state == state) {
                Some(tools) => tools.start().await?,
                None => Running::NOTHING,
            };
            turns.push(driver.take(rig, round, state, &running).await?);
        }
    }
    ShopReport::from_turns(args, unsupported, tools, &turns)
}
