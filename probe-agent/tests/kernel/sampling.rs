//! Sampling is unbiased.

use std::net::{IpAddr, Ipv4Addr};

use probe_agent::hierarchy::Tree;
use probe_agent::kernel::{Kernel, Metric, SamplingRate};

use crate::bytes::send_udp;
use crate::cgroups::Cgroup;
use crate::faults::KINDS;
use crate::process::Process;
use crate::{all_of, alone, given, is_measured, open, read, sampled, totals};

const DATAGRAMS: u64 = 40_000;

fn send() -> u64 {
    send_udp(IpAddr::V4(Ipv4Addr::LOCALHOST), DATAGRAMS)
}

/// Fails unless an estimate from sampling at `rate` is within five standard deviations.
#[track_caller]
fn assert_unbiased(estimate: u64, truth: u64, rate: f64) {
    let deviation = (truth as f64 * (1.0 - rate) / rate).sqrt();
    let off = (estimate as f64 - truth as f64) / deviation;
    println!("rate {rate}: estimate {estimate}, truth {truth}: {off:.2} standard deviations");
    assert!(
        off.abs() < 5.0,
        "rate {rate}: estimate {estimate}, truth {truth}: {off:.1} deviations"
    );
}

#[test]
fn estimates_are_unbiased_at_any_rate_and_across_changes() {
    let _alone = alone();
    let container = Cgroup::create(Tree::V2, "sampled");
    let mut kernel = open(Tree::V2);
    let metrics = [Metric::SentBytes];
    let slot = kernel
        .add(&[container.id()], &all_of(&metrics))
        .expect("it can be measured");
    let mut before = totals(&mut kernel, slot, Metric::SentBytes);
    let mut exact_estimates = 0;
    for rate in [1.0, 0.5, 0.1, 0.01, 1.0] {
        kernel
            .configure(slot, &sampled(&metrics, rate))
            .expect("the rate can change");
        assert_eq!(
            Process::spawn(&[&container], send).run(),
            DATAGRAMS * 100,
            "the premise"
        );
        let after = totals(&mut kernel, slot, Metric::SentBytes);
        assert!((after.sampling - rate).abs() < 1e-9);
        let (count, sum) = (after.count - before.count, after.sum - before.sum);
        if rate == 1.0 {
            assert_eq!((count, sum), (DATAGRAMS, DATAGRAMS * 100), "1 is exact");
        } else {
            assert_unbiased(count, DATAGRAMS, rate);
            exact_estimates += u32::from(count == DATAGRAMS);
            assert!(
                sum.abs_diff(count * 100) < 200,
                "each datagram has 100 bytes"
            );
        }
        before = after;
    }
    // One estimate may hit the truth by chance (1 in 250 at rate 0.5); all three cannot.
    assert!(exact_estimates < 3, "nothing was left out");
}

#[test]
fn estimates_of_events_without_values_are_unbiased_too() {
    let _alone = alone();
    let container = Cgroup::create(Tree::V2, "faults");
    let mut kernel = open(Tree::V2);
    for (metric, take_faults) in KINDS {
        if !is_measured(&kernel, metric) {
            continue;
        }
        for rate in [0.5, 0.1, 0.01] {
            given("the kernel reports every switch", || {
                estimate_faults(&mut kernel, &container, metric, take_faults, rate)
            });
        }
    }
}

/// `None` when not every switch was reported.
fn estimate_faults(
    kernel: &mut Kernel,
    container: &Cgroup,
    metric: Metric,
    take_faults: fn() -> u64,
    rate: f64,
) -> Option<()> {
    let mut process = Process::spawn(&[container], take_faults);
    let switches = process.switches();
    let mut settings = sampled(&[metric], rate);
    settings
        .set(Metric::OnCpuTime, SamplingRate::ALL)
        .expect("a setting");
    let slot = kernel
        .add(&[container.id()], &settings)
        .expect("it can be measured");
    let truth = process.run();
    let mut reading = read(kernel, slot);
    kernel.remove(slot).expect("it can be removed");
    if !process.all_seen(switches, &reading) {
        return None;
    }
    let measured = reading.metrics.remove(&metric)?;
    assert_unbiased(measured.count, truth, rate);
    // Those of user mode come many at once, of which the right share may be a whole number.
    let at_once = metric == Metric::UserPageFaults;
    assert!(at_once || measured.count != truth, "nothing was left out");
    assert_eq!(measured.sum, measured.count);
    Some(())
}
