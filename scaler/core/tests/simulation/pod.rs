//! One pod: threads that share one CPU under a CFS quota, measured as the scheduler hook does.

use std::collections::VecDeque;

use super::histogram::Log2;

pub(crate) const MILLI: u64 = 1_000_000;
pub(crate) const SECOND: u64 = 1_000 * MILLI;
const PERIOD: u64 = 100 * MILLI;
/// What it costs to notice that a request was cancelled.
const CANCEL: u64 = MILLI / 10;

/// How a pod is built and what surrounds it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PodKind {
    /// CPU limit in thousandths; `None` without one.
    pub(crate) limit_millis: Option<u64>,
    /// Worker threads; `None` = one thread per request.
    pub(crate) workers: Option<usize>,
    /// Time slice among runnable threads; `None` = first come, first served.
    pub(crate) slice: Option<u64>,
}

/// A request on its way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request {
    pub(crate) deadline: u64,
    pub(crate) work: u64,
    /// The user who waits for it, in closed systems.
    pub(crate) user: Option<usize>,
}

#[derive(Debug, Clone, Copy)]
struct Thread {
    request: Request,
    left: u64,
    runnable_since: u64,
}

#[derive(Debug, Clone, Copy)]
struct Running {
    thread: Thread,
    /// On CPU, or held up by a neighbour until then.
    from: u64,
    until: u64,
    /// Wait and time on CPU of the stint so far that the hook has not recorded yet.
    wait: u64,
    ran: u64,
}

/// What the hook and `cpu.stat` counted since the last report.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counters {
    pub(crate) on_cpu: u64,
    pub(crate) wait: u64,
    pub(crate) voluntary: u64,
    pub(crate) involuntary: u64,
    pub(crate) throttled: u64,
    pub(crate) throttled_periods: u64,
    pub(crate) periods: u64,
    pub(crate) waits: Log2,
}

#[derive(Debug)]
pub(crate) struct Pod {
    kind: PodKind,
    pub(crate) counters: Counters,
    runnable: VecDeque<Thread>,
    /// Requests no worker is free for: out of the scheduler's sight.
    queued: VecDeque<Request>,
    running: Option<Running>,
    budget: u64,
    period: u64,
    throttled_at: Option<u64>,
    counted_period: u64,
}

/// What the pod wants next.
pub(crate) enum Next {
    Wake(u64),
    Idle,
}

impl Pod {
    pub(crate) fn new(kind: PodKind) -> Self {
        Self {
            kind,
            counters: Counters::default(),
            runnable: VecDeque::new(),
            queued: VecDeque::new(),
            running: None,
            budget: 0,
            period: u64::MAX,
            throttled_at: None,
            counted_period: u64::MAX,
        }
    }

    /// Takes a request; returns when to call [`Pod::wake`] if the CPU was free.
    pub(crate) fn arrive(&mut self, now: u64, request: Request, held_up: u64) -> Next {
        let busy = self.runnable.len() + usize::from(self.running.is_some());
        if self.kind.workers.is_some_and(|workers| busy >= workers) {
            self.queued.push_back(request);
            return Next::Idle;
        }
        self.runnable.push_back(Thread {
            request,
            left: request.work,
            runnable_since: now,
        });
        if self.running.is_none() && self.throttled_at.is_none() {
            return self.dispatch(now, held_up);
        }
        Next::Idle
    }

    /// The segment that was running ended, or the quota was refilled. Finished requests go to
    /// `done` with the time they ended.
    pub(crate) fn wake(&mut self, now: u64, held_up: u64, done: &mut Vec<(Request, u64)>) -> Next {
        if let Some(since) = self.throttled_at.take() {
            self.counters.throttled += now - since;
            return self.dispatch(now, held_up);
        }
        let Some(mut run) = self.running.take() else {
            return self.dispatch(now, held_up);
        };
        let ran = now - run.from;
        run.ran += ran;
        run.thread.left -= ran;
        self.budget = self.budget.saturating_sub(ran);
        self.refill(now);
        if run.thread.left == 0 {
            done.push((run.thread.request, now));
            // A worker with more to do does not block: its burst goes on.
            if let Some(request) = self.take_queued(now, done) {
                run.thread.request = request;
                run.thread.left = request.work;
            } else {
                self.counters.voluntary += 1;
                self.record(&run);
                return self.dispatch(now, held_up);
            }
        }
        let preempted = self.kind.slice.is_some() && !self.runnable.is_empty();
        if self.kind.limit_millis.is_some() && self.budget == 0 {
            self.switch_out(run, now, false);
            return self.throttle(now);
        }
        if preempted {
            self.switch_out(run, now, true);
            return self.dispatch(now, held_up);
        }
        self.run(now, now, run)
    }

    /// The agent's flush: what a running thread has used so far counts for this interval.
    pub(crate) fn report(&mut self, now: u64) -> Counters {
        if let Some(run) = &mut self.running {
            let ran = now.saturating_sub(run.from).min(run.until - run.from);
            self.counters.on_cpu += ran + run.ran;
            self.counters.wait += run.wait;
            if run.wait > 0 {
                self.counters.waits.record(run.wait);
            }
            run.wait = 0;
            run.ran = 0;
            // Start a new segment here, so that the rest is counted by the next report.
            run.thread.left -= ran;
            self.budget = self.budget.saturating_sub(ran);
            run.from += ran;
        }
        std::mem::take(&mut self.counters)
    }

    fn take_queued(&mut self, now: u64, done: &mut Vec<(Request, u64)>) -> Option<Request> {
        while let Some(request) = self.queued.pop_front() {
            if request.deadline > now {
                return Some(request);
            }
            done.push((request, now));
        }
        None
    }

    fn record(&mut self, run: &Running) {
        self.counters.on_cpu += run.ran;
        self.counters.wait += run.wait;
        self.counters.waits.record(run.wait);
    }

    fn switch_out(&mut self, run: Running, now: u64, to_back: bool) {
        self.counters.involuntary += 1;
        self.record(&run);
        let thread = Thread {
            runnable_since: now,
            ..run.thread
        };
        if to_back {
            self.runnable.push_back(thread);
        } else {
            self.runnable.push_front(thread);
        }
    }

    fn throttle(&mut self, now: u64) -> Next {
        self.throttled_at = Some(now);
        self.counters.throttled_periods += 1;
        Next::Wake((now / PERIOD + 1) * PERIOD)
    }

    fn refill(&mut self, now: u64) {
        let period = now / PERIOD;
        if period != self.period {
            self.period = period;
            self.budget = self
                .kind
                .limit_millis
                .map_or(u64::MAX, |millis| millis * PERIOD / 1_000);
        }
        if self.counted_period != period && self.kind.limit_millis.is_some() {
            self.counted_period = period;
            self.counters.periods += 1;
        }
    }

    fn dispatch(&mut self, now: u64, held_up: u64) -> Next {
        self.refill(now);
        if self.runnable.is_empty() {
            return Next::Idle;
        }
        if self.kind.limit_millis.is_some() && self.budget == 0 {
            return self.throttle(now);
        }
        let Some(mut thread) = self.runnable.pop_front() else {
            return Next::Idle;
        };
        // Whoever asked has given up: the handler notices and stops, as gRPC servers do.
        if thread.request.deadline <= now {
            thread.left = thread.left.min(CANCEL);
        }
        let start = now + held_up;
        let wait = start - thread.runnable_since;
        self.run(
            now,
            start,
            Running {
                thread,
                from: start,
                until: start,
                wait,
                ran: 0,
            },
        )
    }

    fn run(&mut self, now: u64, start: u64, mut run: Running) -> Next {
        self.refill(now);
        let slice = self.kind.slice.unwrap_or(4 * MILLI);
        let to_refill = (start / PERIOD + 1) * PERIOD - start;
        let segment = run
            .thread
            .left
            .min(slice)
            .min(self.budget)
            .min(to_refill)
            .max(1);
        run.from = start;
        run.until = start + segment;
        self.running = Some(run);
        Next::Wake(start + segment)
    }
}
