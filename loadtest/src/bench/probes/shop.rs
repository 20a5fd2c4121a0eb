//! What the probes cost the demo shop under load: CPU and latency, with none, the core and all metrics.
//!
//! ```text
//!  each round:  Locust ─▶ none │ core │ all │ libbpf-tools │ bpftrace, there and back, in another order
//!               each time; the same users all the while
//!  each part:   policies written ─▶ in force in the kernel ─▶ clocks, pages               drive
//!  a round's parts of a state together, divided by those of `none` ─▶ medians, intervals  turn, overhead
//!  some rounds more, with the kernel's account of our programs                            account
//! ```
//!
//! Parts are short because what a shared machine does by itself changes slowly: between neighbours of five
//! seconds the CPU by page differs by 4 %, and between those of thirty by hardly less.
//!
//! The state is changed as a user changes it, by editing policies; cluster, shop, scaler and agent run
//! on all the time.

mod account;
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
use std::time::Duration;

use anyhow::Result;
use clap::Args;

pub(crate) use overhead::{Overhead, ShopReport};

use crate::local::{Machine, Programs, RunDir, unless_interrupted};
use crate::locust::{Locust, Spinner};
use account::Account;
use drive::Driver;
use order::order;
use policies::State;
use rig::Rig;
use tools::Tools;
use turn::Turn;

/// How long one state is measured before the next.
const PART: Duration = Duration::from_secs(5);

/// Rounds with the kernel's account, at most; they vary little.
const ACCOUNTS: u32 = 3;

/// Options of the shop's part.
#[derive(Debug, Args)]
pub(super) struct ShopArgs {
    /// shop: how often each state is measured; the more, the narrower the intervals
    #[arg(long, env = "VIPERSCALE_SHOP_ROUNDS", default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(super) shop_rounds: u32,
    /// shop: how long each is measured in a round, in parts of 5 s
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

impl ShopArgs {
    /// In how many parts a state is measured in a round.
    fn parts(&self) -> u32 {
        let parts = Duration::from_secs(self.shop_seconds.into()).div_duration_f64(PART);
        parts.ceil() as u32
    }

    /// How long that is together.
    fn turn(&self) -> Duration {
        PART * self.parts()
    }
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
        spinner.step(&format!("round {} of {}", round + 1, args.shop_rounds));
        let states = order(&states, round);
        turns.extend(driver.take(rig, round, &states, &tools).await?);
    }
    let mut entries = Vec::new();
    for round in 0..args.shop_rounds.min(ACCOUNTS) {
        spinner.step("asking the kernel for its account of our programs");
        entries.extend(driver.account(rig, round).await?);
    }
    let accounts = Account::of(&entries, args.seed);
    ShopReport::from_turns(args, unsupported, tools, &turns, accounts)
}
