//! From turns to overheads: each round's turns divided by its turn without any metric. Pure.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use comparison::statistics::Estimate;
use serde::Serialize;

use super::ShopArgs;
use super::account::Account;
use super::policies::State;
use super::tools::Tools;
use super::turn::{Turn, Usual};
use super::verdict::Verdict;

/// What the probes cost the shop.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShopReport {
    /// Rounds behind each number.
    pub rounds: u32,
    /// How long each state was measured in a round.
    pub seconds: u64,
    /// Virtual users.
    pub users: u32,
    /// Pods of each Deployment.
    pub replicas: u32,
    /// Pages that users got in an average second.
    pub pages_per_second: f64,
    /// Pages that users did not get, in all rounds.
    pub failed_pages: usize,
    /// Metrics that this kernel cannot measure: they cost nothing here.
    pub unsupported: Vec<String>,
    /// Other tools, by what ran and what did not.
    pub tools: Vec<Tools>,
    /// As it was without, with the core and with all metrics, and with other tools.
    pub states: Vec<StateReport>,
    /// What each but the first cost.
    pub overheads: Vec<Overhead>,
    /// The time in our programs, by the kernel's own account: what of an overhead is theirs without doubt.
    pub accounts: Vec<Account>,
    /// What is behind the medians.
    pub turns: Vec<TurnReport>,
}

/// One state in one round.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TurnReport {
    round: u32,
    state: State,
    pages: usize,
    shop_cpu_ms_per_page: Option<f64>,
    machine_cpu_ms_per_page: Option<f64>,
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
}

/// One state, medians over rounds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StateReport {
    pub(super) state: State,
    /// CPU of the shop's pods by page.
    pub shop_cpu_ms_per_page: Estimate,
    /// CPU of the whole machine by page, Locust's included.
    pub machine_cpu_ms_per_page: Estimate,
    /// The agent's own CPU, percent of one core.
    pub agent_cpu_percent: Estimate,
    /// The other tools' processes, percent of one core; what their scripts do in the kernel is not in
    /// it, as ours is not in the agent's.
    pub tools_cpu_percent: Estimate,
    /// Their resident memory, bytes.
    pub tools_rss_bytes: Estimate,
    /// Median latency of pages.
    pub p50_ms: Estimate,
    /// Latency that one page in a hundred exceeded.
    pub p99_ms: Estimate,
}

/// What a state costs beyond none: medians over rounds of the change within a round, in percent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Overhead {
    pub(in crate::bench::probes) state: State,
    /// CPU of the shop's pods by page, each page by what is usual for its route.
    pub cpu_percent: Estimate,
    /// CPU of the whole machine by page, likewise.
    pub machine_cpu_percent: Estimate,
    /// Median latency, each page by what is usual for its route.
    pub p50_percent: Estimate,
    /// The same of the slowest page in a hundred.
    pub p99_percent: Estimate,
    /// Less than so much CPU; null for other tools, as what follows.
    pub cpu_goal_percent: Option<f64>,
    /// Less than so much median latency.
    pub p50_goal_percent: Option<f64>,
    /// Whether both goals are reached.
    pub verdict: Option<Verdict>,
}

/// Percent of CPU and of median latency that a state may cost.
fn goals(state: State) -> Option<(f64, f64)> {
    match state {
        State::Core => Some((0.5, 1.0)),
        State::All => Some((2.0, 3.0)),
        State::None | State::LibbpfTools | State::Bpftrace => None,
    }
}

impl ShopReport {
    /// Of whole rounds.
    ///
    /// # Errors
    /// When in some turn nobody got a page.
    pub(super) fn from_turns(
        args: &ShopArgs,
        unsupported: Vec<String>,
        tools: Vec<Tools>,
        turns: &[Turn],
        accounts: Vec<Account>,
    ) -> Result<Self> {
        ensure!(
            turns.iter().all(|turn| turn.served().next().is_some()),
            "in some turn no user got a page; the logs of the shop's pods tell why"
        );
        let usual = Usual::of(turns);
        let served: usize = turns.iter().map(|turn| turn.served().count()).sum();
        let seconds = turns.len() as f64 * args.turn().as_secs_f64();
        let states: BTreeSet<State> = turns.iter().map(|turn| turn.state).collect();
        Ok(Self {
            rounds: args.shop_rounds,
            seconds: args.turn().as_secs(),
            users: args.users,
            replicas: args.replicas,
            pages_per_second: served as f64 / seconds.max(1.0),
            failed_pages: turns.iter().map(Turn::failed).sum(),
            unsupported,
            tools,
            states: states
                .iter()
                .map(|state| StateReport::of(args, *state, turns))
                .collect(),
            overheads: states
                .iter()
                .filter(|state| **state != State::None)
                .map(|state| Overhead::of(args.seed, *state, turns, &usual))
                .collect(),
            accounts,
            turns: turns.iter().map(TurnReport::of).collect(),
        })
    }
}

impl ShopReport {
    /// Whether other tools were measured, too.
    pub(in crate::bench::probes) fn has_peers(&self) -> bool {
        let peers = [State::LibbpfTools, State::Bpftrace];
        self.overheads.iter().any(|of| peers.contains(&of.state))
    }
}

impl TurnReport {
    fn of(turn: &Turn) -> Self {
        Self {
            round: turn.round,
            state: turn.state,
            pages: turn.served().count(),
            shop_cpu_ms_per_page: turn.shop_cpu_ms(),
            machine_cpu_ms_per_page: turn.machine_cpu_ms(),
            p50_ms: turn.latency_ms(0.5),
            p99_ms: turn.latency_ms(0.99),
        }
    }
}

impl StateReport {
    fn of(args: &ShopArgs, state: State, turns: &[Turn]) -> Self {
        let estimate = |value: &dyn Fn(&Turn) -> Option<f64>| {
            let of_state = turns.iter().filter(|turn| turn.state == state);
            Estimate::of_numbers(&of_state.filter_map(value).collect::<Vec<_>>(), args.seed)
        };
        let seconds = args.turn().as_secs_f64();
        Self {
            state,
            shop_cpu_ms_per_page: estimate(&Turn::shop_cpu_ms),
            machine_cpu_ms_per_page: estimate(&Turn::machine_cpu_ms),
            agent_cpu_percent: estimate(&|turn| Some(turn.agent_cpu_seconds / seconds * 100.0)),
            tools_cpu_percent: estimate(&|turn| Some(turn.tools_cpu_seconds / seconds * 100.0)),
            tools_rss_bytes: estimate(&|turn| Some(turn.tools_rss_bytes as f64)),
            p50_ms: estimate(&|turn| turn.latency_ms(0.5)),
            p99_ms: estimate(&|turn| turn.latency_ms(0.99)),
        }
    }
}

impl Overhead {
    fn of(seed: u64, state: State, turns: &[Turn], usual: &Usual) -> Self {
        let estimate = |value: &dyn Fn(&Turn) -> Option<f64>| {
            Estimate::of_numbers(&changes(state, turns, value), seed)
        };
        let cpu_percent = estimate(&|turn| turn.relative_shop_cpu(usual));
        let p50_percent = estimate(&|turn| turn.relative_latency(usual, 0.5));
        let goals = goals(state);
        Self {
            state,
            cpu_percent,
            machine_cpu_percent: estimate(&|turn| turn.relative_machine_cpu(usual)),
            p50_percent,
            p99_percent: estimate(&|turn| turn.relative_latency(usual, 0.99)),
            cpu_goal_percent: goals.map(|(cpu, _)| cpu),
            p50_goal_percent: goals.map(|(_, p50)| p50),
            verdict: goals
                .map(|(cpu, p50)| Verdict::of([(&cpu_percent, cpu), (&p50_percent, p50)])),
        }
    }
}

/// By round, in percent, how much more of `value` there is in `state` than without any metric.
fn changes(state: State, turns: &[Turn], value: &dyn Fn(&Turn) -> Option<f64>) -> Vec<f64> {
    let of = |round: u32, state: State| {
        let turn = turns
            .iter()
            .find(|turn| turn.round == round && turn.state == state)?;
        value(turn)
    };
    let rounds = turns.iter().filter(|turn| turn.state == state);
    rounds
        .filter_map(|turn| {
            let (with, without) = (value(turn)?, of(turn.round, State::None)?);
            (without > 0.0).then(|| (with / without - 1.0) * 100.0)
        })
        .collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::turn::tests::turn;
    use super::*;

    pub(in super::super) fn args() -> ShopArgs {
        ShopArgs {
            shop_rounds: 6,
            shop_seconds: 10,
            users: 8,
            replicas: 2,
            without_peers: false,
            seed: 1,
        }
    }

    /// Rounds on a machine that gets slower from round to round, by more than any overhead.
    pub(in super::super) fn turns() -> Vec<Turn> {
        (0..6)
            .flat_map(|round| {
                let drift = 1.0 + f64::from(round) * 0.3;
                let slow = |ms: u64| (ms as f64 * drift) as u64;
                [
                    (State::None, 1.0, 1_000),
                    (State::Core, 1.004, 1_005),
                    (State::All, 1.03, 1_020),
                    (State::LibbpfTools, 1.05, 1_100),
                ]
                .map(|(state, cpu, ms)| turn(round, state, cpu * drift, &[slow(ms); 20]))
            })
            .collect()
    }

    #[test]
    fn what_changes_from_round_to_round_is_no_overhead() {
        let report =
            ShopReport::from_turns(&args(), Vec::new(), Vec::new(), &turns(), Vec::new()).unwrap();
        let [core, all, tools] = report.overheads.as_slice() else {
            panic!("{report:?}");
        };
        let close = |estimate: Estimate, expected: f64| {
            assert!((estimate.median - expected).abs() < 0.1, "{estimate:?}");
        };
        close(core.cpu_percent, 0.4);
        close(core.p50_percent, 0.5);
        close(all.cpu_percent, 3.0);
        close(all.p50_percent, 2.0);
        close(all.machine_cpu_percent, 3.0);
        close(tools.cpu_percent, 5.0);
        assert_eq!(core.verdict, Some(Verdict::Met));
        assert_eq!((all.verdict, tools.verdict), (Some(Verdict::Missed), None));
        assert_eq!((report.failed_pages, report.states.len()), (0, 4));
    }

    #[test]
    fn a_turn_without_pages_is_an_error_and_no_number() {
        let mut turns = turns();
        turns[3].pages.clear();
        assert!(
            ShopReport::from_turns(&args(), Vec::new(), Vec::new(), &turns, Vec::new()).is_err()
        );
    }
}
