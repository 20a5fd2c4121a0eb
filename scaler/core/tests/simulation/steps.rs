//! Load that multiplies at once: how fast, how far, at what price.

use super::load::Arrivals;
use super::pod::PodKind;
use super::rules::Rule;
use super::run::run;
use super::scenarios::{
    CLOSED, FIFO, LOOP, OPEN, POLICY, POOL, SHARED, initially_needed, needed, outcome, queue,
    rules, step, system,
};
use super::table::{Line, line, print, print_header};

const SEEDS: [u64; 3] = [1, 2, 3];
const SECONDS: u32 = 90;

/// Every rule through one step, over all seeds; the queueing response first.
fn compare(name: &str, kind: PodKind, arrivals: Arrivals, factor: f64) -> (u32, Vec<Line>) {
    let system = system(kind, arrivals, step(factor));
    let (before, needed) = (initially_needed(system), needed(system));
    let scenario = format!("{name} x{factor}");
    let mut lines = Vec::new();
    for index in 0..rules().len() {
        let mut name = "";
        let outcomes: Vec<_> = SEEDS
            .iter()
            .map(|&seed| {
                let mut rule = rules().swap_remove(index);
                name = rule.name();
                outcome(
                    &run(system, POLICY, rule.as_mut(), before, SECONDS, seed),
                    needed,
                )
            })
            .collect();
        let line = line(&outcomes);
        print(&scenario, name, needed, &line);
        lines.push(line);
    }
    (needed, lines)
}

#[test]
fn explore() {
    print_header();
    for (name, kind, arrivals) in [
        ("shared", SHARED, OPEN),
        ("fifo", FIFO, OPEN),
        ("loop", LOOP, OPEN),
        ("pool", POOL, OPEN),
        ("users", SHARED, CLOSED),
        ("users, loop", LOOP, CLOSED),
    ] {
        for factor in [2.0, 4.0, 8.0] {
            compare(name, kind, arrivals, factor);
        }
        for factor in [2.0, 4.0] {
            compare(
                &format!("big {name}"),
                kind,
                match arrivals {
                    Arrivals::Open(r) => Arrivals::Open(4.0 * r),
                    Arrivals::Closed { users, think } => Arrivals::Closed {
                        users: 4.0 * users,
                        think,
                    },
                },
                factor,
            );
        }
    }
}
#[test]
fn trace() {
    let Ok(t) = std::env::var("TRACE") else {
        return;
    };
    let parts: Vec<&str> = t.split(',').collect();
    let kind = match parts[0] {
        "shared" => SHARED,
        "fifo" => FIFO,
        "loop" => LOOP,
        _ => POOL,
    };
    let arrivals = if parts[1] == "open" {
        Arrivals::Open(25.0 * parts[3].parse::<f64>().unwrap())
    } else {
        Arrivals::Closed {
            users: 25.0 * parts[3].parse::<f64>().unwrap(),
            think: 1.0,
        }
    };
    let system = system(kind, arrivals, step(parts[2].parse().unwrap()));
    let mut q = queue();
    let _ = q.name();
    for m in run(
        system,
        POLICY,
        &mut q,
        initially_needed(system),
        SECONDS,
        parts[4].parse().unwrap(),
    ) {
        let p = m.proposal.unwrap();
        println!(
            "  {:3} n {:2} ready {:2} w {:6.1}ms D {:.2} u {:.2} rho {:.2} back {:.2} {:?} {:?} -> {}",
            m.second,
            m.replicas,
            m.ready,
            m.waiting.unwrap_or(0.0) * 1e3,
            p.demand_cores,
            p.utilisation,
            p.rho,
            p.backlog_core_seconds,
            p.waiting,
            p.reason,
            p.replicas
        );
    }
}
