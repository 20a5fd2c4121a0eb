//! The error that an estimate states is the error that it has.

use std::net::IpAddr;

use probe_agent::hierarchy::Tree;
use probe_agent::kernel::{Kernel, Metric, Slot, Totals};

use crate::bytes::LOOPBACKS;
use crate::cgroups::Cgroup;
use crate::process::Process;
use crate::{alone, open, sampled, totals};

const RATE: f64 = 0.1;

/// Enough runs to tell 95 % from 90 %: with a share of 95 % inside, so few as [`FEWEST`] come once in
/// some thousand tests.
const RUNS: usize = 1_000;
const FEWEST: usize = 925;

const DATAGRAMS: u64 = 5_000;

/// An error that is stated must not be so large that it is always right: at most this many times what
/// theory has for 95 %.
const MOST: f64 = 1.7;

/// Sends datagrams of many sizes to itself, and returns the bytes.
fn send(address: IpAddr) -> u64 {
    let attempt = || -> std::io::Result<u64> {
        let socket = std::net::UdpSocket::bind((address, 0))?;
        let to = socket.local_addr()?;
        let data = [1; 4_096];
        (0..DATAGRAMS).try_fold(0, |sent, number| {
            // From 1 byte to 4 KiB, evenly over their logarithms.
            let size = 1_usize << (number % 13);
            Ok(sent + socket.send_to(&data[..size.min(data.len())], to)? as u64)
        })
    };
    attempt().unwrap_or(0)
}

/// One run: a container of its own, so that one rate was in force since its start.
fn run(kernel: &mut Kernel, container: &Cgroup) -> (Slot, u64) {
    let settings = sampled(&[Metric::SentBytes], RATE);
    let slot = kernel
        .add(&[container.id()], &settings)
        .expect("it can be measured");
    (
        slot,
        Process::spawn(&[container], || send(LOOPBACKS[0])).run(),
    )
}

/// Whether the truth is within the error that is stated of the sum.
fn holds(estimate: &Totals, truth: u64) -> bool {
    let error = estimate.relative_error(Metric::SentBytes);
    estimate.sum.abs_diff(truth) as f64 <= error * estimate.sum as f64
}

#[test]
fn estimates_lie_within_their_stated_error_in_95_of_100_runs() {
    let _alone = alone();
    let container = Cgroup::create(Tree::V2, "estimated");
    let mut kernel = open(Tree::V2);
    let keep = sampled(&[Metric::SentBytes], 1.0);
    // Keeps the program attached from run to run.
    let _kept = kernel.add(&[], &keep).expect("it can be measured");
    let (mut sums, mut counts, mut stated) = (0, 0, 0.0);
    for _ in 0..RUNS {
        let (slot, truth) = run(&mut kernel, &container);
        let estimate = totals(&mut kernel, slot, Metric::SentBytes);
        sums += usize::from(holds(&estimate, truth));
        // Of counts the error is never larger than what is stated.
        let error = estimate.relative_error(Metric::SentBytes);
        let off = estimate.count.abs_diff(DATAGRAMS) as f64;
        counts += usize::from(off <= error * estimate.count as f64);
        stated += error / RUNS as f64;
        kernel.remove(slot).expect("it can be removed");
    }
    // The variance of the estimate is (1 - p) / p times the sum of the squares of the values.
    let (sum, squares) = (0..DATAGRAMS)
        .map(|number| (1_u64 << (number % 13)) as f64)
        .fold((0.0, 0.0), |(sum, squares), size| {
            (sum + size, squares + size * size)
        });
    let theory = 1.96 * ((1.0 - RATE) / RATE * squares).sqrt() / sum;
    println!(
        "{RUNS} runs: {sums} sums and {counts} counts inside; stated {:.2} %, theory {:.2} %",
        stated * 100.0,
        theory * 100.0
    );
    assert!(sums >= FEWEST, "{sums} of {RUNS} sums inside");
    assert!(counts >= FEWEST, "{counts} of {RUNS} counts inside");
    assert!(stated <= MOST * theory, "stated {stated}, theory {theory}");
}

#[test]
fn what_is_not_sampled_has_no_error_and_nothing_recorded_an_endless_one() {
    let _alone = alone();
    let container = Cgroup::create(Tree::V2, "exact");
    let mut kernel = open(Tree::V2);
    let slot = kernel
        .add(&[container.id()], &sampled(&[Metric::SentBytes], 1.0))
        .expect("it can be measured");
    let truth = Process::spawn(&[&container], || send(LOOPBACKS[0])).run();
    let exact = totals(&mut kernel, slot, Metric::SentBytes);
    assert_eq!(
        (exact.sum, exact.relative_error(Metric::SentBytes)),
        (truth, 0.0)
    );

    let quiet = Cgroup::create(Tree::V2, "quiet");
    let slot = kernel
        .add(&[quiet.id()], &sampled(&[Metric::SentBytes], RATE))
        .expect("it can be measured");
    let nothing = totals(&mut kernel, slot, Metric::SentBytes);
    assert_eq!(nothing.relative_error(Metric::SentBytes), f64::INFINITY);
}
