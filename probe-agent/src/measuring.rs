//! The thread on which everything that blocks happens: kernel calls, scans, and the clock of the
//! intervals.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::containers::Watcher;
use crate::monitor::{Interval, Monitor};
use crate::orders::Orders;
use crate::plan::{Plan, Selection};
use crate::ticks::Ticks;
use crate::{host, instruments};

/// Regular scans, for containers whose creation was not noticed.
const SCAN_EVERY: Duration = Duration::from_secs(10);

/// Scans that changes ask for are at least this far apart, so that a burst of new containers costs
/// two scans instead of one per directory.
const SCAN_APART: Duration = Duration::from_millis(50);

/// And at least this many times as far apart as a scan takes, so that a node on which containers come
/// and go all the time spends 2 % of a CPU on looking for them.
const SCAN_SHARE: u32 = 50;

/// The running thread.
#[derive(Debug)]
pub struct Handle {
    orders: Arc<Orders>,
    thread: JoinHandle<()>,
    ended: oneshot::Receiver<Infallible>,
}

/// The thread ended without being told to.
#[derive(Debug, thiserror::Error)]
#[error("the measuring thread ended unexpectedly; its panic is in the log: please report it")]
pub struct EndedError;

impl Handle {
    /// Waits until the thread ends by itself, which it never should.
    pub async fn ended(&mut self) -> EndedError {
        match (&mut self.ended).await {
            Ok(never) => match never {},
            Err(_sender_dropped) => EndedError,
        }
    }

    /// Detaches everything and ends the thread. Blocks for as long as detaching takes, some
    /// milliseconds.
    pub fn stop(self) -> Result<(), EndedError> {
        self.orders.stop();
        self.thread.join().map_err(|_panic| EndedError)
    }
}

/// Starts the thread. It follows `orders`, hands each finished interval to `sink`, which must not
/// block, and ends when it is told to stop; by then every program is detached.
pub fn spawn(
    monitor: Monitor,
    orders: Arc<Orders>,
    sink: impl FnMut(Interval) + Send + 'static,
) -> io::Result<Handle> {
    let (alive, ended) = oneshot::channel();
    let taken = Arc::clone(&orders);
    let thread = thread::Builder::new()
        .name("measuring".into())
        .spawn(move || {
            // Dropped when the thread ends, even by a panic.
            let _alive = alive;
            let orders = taken;
            let nudged = Arc::clone(&orders);
            let watcher = Watcher::start(move || nudged.rescan())
                .inspect_err(
                    |error| tracing::warn!(%error, "new containers are found by scans only"),
                )
                .ok();
            let now = Instant::now();
            let measuring = Measuring {
                monitor,
                watcher,
                sink,
                ticks: None,
                next_plan: None,
                scanned_at: now,
                scan_at: now,
                scan_took: Duration::ZERO,
                unsettled: false,
                watch_complaint: None,
            };
            measuring.run(&orders);
        })?;
    Ok(Handle {
        orders,
        thread,
        ended,
    })
}

struct Measuring<Sink> {
    monitor: Monitor,
    watcher: Option<Watcher>,
    sink: Sink,
    /// `None` while there is no plan: then the thread sleeps until there is one.
    ticks: Option<Ticks>,
    /// Waits for the end of the present interval.
    next_plan: Option<Plan>,
    scanned_at: Instant,
    scan_at: Instant,
    /// What the last scan took.
    scan_took: Duration,
    /// Whether a scan since the last tick may have found containers gone.
    unsettled: bool,
    /// The last thing that was wrong with watching, so that it is logged once.
    watch_complaint: Option<String>,
}

impl<Sink: FnMut(Interval)> Measuring<Sink> {
    fn run(mut self, orders: &Orders) {
        loop {
            let pending = orders.take(self.deadline());
            if pending.stop {
                return;
            }
            if pending.rescan {
                let apart = SCAN_APART.max(self.scan_took * SCAN_SHARE).min(SCAN_EVERY);
                self.scan_at = self.scan_at.min(self.scanned_at + apart);
            }
            match pending.plan {
                Some(Some(plan)) => self.accept(plan),
                Some(None) => self.release(),
                None => {}
            }
            self.scan_if_due(Instant::now());
            self.tick_if_due(Instant::now());
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let tick = self.ticks.map(|ticks| ticks.next());
        let scan = (!self.monitor.is_idle()).then_some(self.scan_at);
        tick.into_iter().chain(scan).min()
    }

    /// Follows a plan between two intervals: at once when nothing is being measured, else after the
    /// present interval, so that each report was measured under one plan.
    fn accept(&mut self, plan: Plan) {
        if self.ticks.is_some() && !self.monitor.is_idle() {
            self.next_plan = Some(plan);
            return;
        }
        self.follow(plan);
        let now = Instant::now();
        self.monitor.restart_interval(now);
        self.ticks = self
            .ticks
            .map(|ticks| Ticks::starting(now, ticks.interval()));
    }

    fn follow(&mut self, plan: Plan) {
        if self
            .ticks
            .is_none_or(|ticks| ticks.interval() != plan.interval)
        {
            self.ticks = Some(Ticks::starting(Instant::now(), plan.interval));
        }
        self.log_rejections(&plan);
        self.monitor.select(plan.revision, plan.selection);
        host::release_freed_memory();
        self.after_scan();
        tracing::debug!(
            revision = plan.revision,
            measured = self.monitor.measured(),
            attached = ?self.monitor.kernel().attached(),
            "plan in force"
        );
    }

    fn release(&mut self) {
        (self.ticks, self.next_plan) = (None, None);
        self.monitor.select(0, Selection::NOTHING);
        self.after_scan();
        instruments::released();
        tracing::info!("nothing is measured any more");
    }

    fn scan_if_due(&mut self, now: Instant) {
        if !self.monitor.is_idle() && now >= self.scan_at {
            self.monitor.rescan();
            self.scan_took = now.elapsed();
            self.unsettled = true;
            self.after_scan();
        }
    }

    fn tick_if_due(&mut self, now: Instant) {
        let Some(ticks) = self.ticks.as_mut().filter(|ticks| ticks.is_due(now)) else {
            return;
        };
        let skipped = ticks.advance(now);
        let interval = self.monitor.sample(now);
        if std::mem::take(&mut self.unsettled) {
            self.monitor.settle();
        }
        let attached = self.monitor.kernel().attached().len();
        instruments::interval(&interval, skipped, attached, now.elapsed());
        let kernel = self.monitor.kernel();
        match kernel.lost() {
            Ok(lost) => instruments::tables(kernel.refused_full(), lost),
            Err(error) => tracing::warn!(%error, "cannot tell what was lost"),
        }
        (self.sink)(interval);
        if let Some(plan) = self.next_plan.take() {
            self.follow(plan);
        }
    }

    fn after_scan(&mut self) {
        self.scanned_at = Instant::now();
        self.scan_at = self.scanned_at + SCAN_EVERY;
        instruments::scanned();
        let Some(watcher) = &mut self.watcher else {
            return;
        };
        let complaint = watcher
            .watch(&self.monitor.nurseries())
            .err()
            .map(|error| error.to_string());
        if complaint != self.watch_complaint {
            if let Some(error) = &complaint {
                tracing::warn!(error, "some new containers are found by scans only");
            }
            self.watch_complaint = complaint;
        }
    }

    fn log_rejections(&self, plan: &Plan) {
        let Selection::Targets(targets) = &plan.selection else {
            return;
        };
        for target in targets.iter().filter(|target| !target.rejected.is_empty()) {
            tracing::warn!(
                pod_uid = target.pod_uid,
                container = target.container_name,
                rejected = ?target.rejected,
                "settings passed over"
            );
        }
    }
}
