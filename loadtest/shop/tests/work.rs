//! The work of a request is what its numbers say, by the kernel's own accounts.

use std::time::Duration;

use demo_shop::{InterpreterLock, Work, burn, burn_under};
use nix::sys::resource::{Usage, UsageWho, getrusage};

/// CPU time and minor page faults of the calling thread.
fn used(usage: Usage) -> (Duration, i64) {
    let microseconds = |time: nix::sys::time::TimeVal| time.tv_sec() * 1_000_000 + time.tv_usec();
    let cpu = microseconds(usage.user_time()) + microseconds(usage.system_time());
    (
        Duration::from_micros(cpu.unsigned_abs()),
        usage.minor_page_faults(),
    )
}

/// What `body` uses on a thread that does nothing else.
fn cost_of(body: impl FnOnce() + Send) -> (Duration, i64) {
    std::thread::scope(|scope| {
        scope
            .spawn(|| {
                let thread = || used(getrusage(UsageWho::RUSAGE_THREAD).expect("own usage"));
                let (cpu_before, faults_before) = thread();
                body();
                let (cpu, faults) = thread();
                (cpu - cpu_before, faults - faults_before)
            })
            .join()
            .expect("no panic")
    })
}

fn assert_within(measured: f64, expected: f64, tolerance: f64, what: &str) {
    let error = (measured - expected).abs() / expected;
    assert!(
        error <= tolerance,
        "{what}: {measured} instead of {expected} ({:.1} % off)",
        error * 100.0
    );
}

const TWENTY_MS: Work = Work {
    cpu: Duration::from_millis(20),
    fresh_bytes: 1 << 20,
    response_bytes: 0,
};

#[test]
fn cpu_time_is_what_was_asked_even_when_the_machine_is_full() {
    std::thread::scope(|scope| {
        // Twice as many threads as CPUs: each waits about half of the time, which must not count.
        let threads = 2 * std::thread::available_parallelism().map_or(2, usize::from);
        let costs: Vec<_> = (0..threads)
            .map(|_| scope.spawn(|| cost_of(|| (0..10).for_each(|_| burn(TWENTY_MS)))))
            .collect();
        for cost in costs {
            let (cpu, _) = cost.join().expect("no panic");
            assert_within(cpu.as_secs_f64(), 0.2, 0.1, "CPU seconds");
        }
    });
}

#[test]
fn cpu_time_is_what_was_asked_under_the_interpreter() {
    let interpreter = InterpreterLock::new(InterpreterLock::SWITCH_INTERVAL);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    cost_of(|| {
                        (0..5).for_each(|_| burn_under(&mut interpreter.acquire(), TWENTY_MS));
                    })
                })
            })
            .collect();
        for thread in threads {
            let (cpu, _) = thread.join().expect("no panic");
            assert_within(cpu.as_secs_f64(), 0.1, 0.1, "CPU seconds");
        }
    });
}

#[test]
fn short_work_is_accurate_too() {
    let work = Work {
        cpu: Duration::from_micros(300),
        fresh_bytes: 0,
        response_bytes: 0,
    };
    let (cpu, _) = cost_of(|| (0..1000).for_each(|_| burn(work)));
    assert_within(cpu.as_secs_f64(), 0.3, 0.1, "CPU seconds");
}

#[test]
fn each_fresh_page_is_one_fault() {
    let work = Work {
        cpu: Duration::ZERO,
        fresh_bytes: 1 << 20,
        response_bytes: 0,
    };
    let (_, faults) = cost_of(|| (0..40).for_each(|_| burn(work)));
    assert_within(faults as f64, 40.0 * 256.0, 0.02, "page faults");
}

#[test]
fn no_fresh_memory_is_no_fault() {
    let work = Work {
        cpu: Duration::from_micros(100),
        fresh_bytes: 0,
        response_bytes: 0,
    };
    burn(work);
    let (_, faults) = cost_of(|| (0..100).for_each(|_| burn(work)));
    assert!(faults < 20, "{faults} faults");
}
