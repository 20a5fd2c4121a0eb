//! Time off the CPU, against each process' own `/proc/PID/schedstat`.

use std::time::{Duration, Instant};

use probe_agent::kernel::{Metric, Options};
use probe_agent::monitor::{Interval, Monitor};
use probe_agent::plan::Selection;

use crate::cgroups::Cgroup;
use crate::process::{Process, burn, schedstat};
use crate::{all_of, alone, assert_close, hierarchies, trees};

fn off_cpu(interval: &Interval) -> Option<(u64, u64)> {
    let [container] = interval.containers.as_slice() else {
        panic!("{:?}", interval.missing);
    };
    let found = container.sample.metrics.iter();
    found
        .filter(|sample| sample.metric() == Metric::OffCpuTime)
        .map(|sample| (sample.count, sample.sum))
        .next()
}

#[test]
fn time_off_the_cpu_is_that_of_all_threads() {
    let _alone = alone();
    for tree in trees() {
        let (container, neighbour) = (
            Cgroup::create(tree, "sleepers"),
            Cgroup::create(tree, "neighbour"),
        );
        let mut spinner = Process::spawn(&[&container], || burn(400));
        let sleepers = [(); 2].map(|()| Process::spawn(&[&container], || 0));
        let _others = [(); 5].map(|()| Process::spawn(&[&neighbour], || 0));
        let mut monitor = Monitor::open_tree(hierarchies(), tree, Options::MAX_CONTAINERS)
            .expect("the monitor opens");
        if !monitor
            .kernel()
            .support()
            .get(Metric::OffCpuTime)
            .is_measured()
        {
            println!(
                "unsupported: {}",
                monitor.kernel().support().get(Metric::OffCpuTime)
            );
            continue;
        }
        let selection = Selection::Cgroups(
            vec![container.relative()],
            all_of(&[Metric::OffCpuTime]).into(),
        );
        monitor.select(1, selection);
        monitor.restart_interval(Instant::now());

        let (begun, before) = (Instant::now(), schedstat(&sleepers) + spinner.schedstat());
        spinner.start();
        std::thread::sleep(Duration::from_secs(1));
        spinner.result();
        let interval = monitor.sample(Instant::now());
        let elapsed = begun.elapsed().as_nanos() as u64;
        let on_cpu = (schedstat(&sleepers) + spinner.schedstat() - before).on_cpu_ns;

        let (threads, sum) = off_cpu(&interval).expect("it is measured");
        assert_eq!(threads, 3, "{tree:?}");
        assert!(on_cpu > 300_000_000, "the premise: one has worked");
        assert_close("off CPU", sum, 3 * elapsed - on_cpu, 2.0);
    }
}
