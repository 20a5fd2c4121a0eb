//! A machine of the simulation: an async runtime with a clock of its own.

use std::cell::Cell;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp as WallTime;
use scaler_core::Timestamp;
use tokio::runtime::{Builder, Runtime};
use tokio::task::AbortHandle;

/// How far the simulation goes at a time: the shortest way between two hosts.
pub(crate) const TICK: Duration = Duration::from_millis(20);

/// 2026-01-01, when every simulation begins.
const BEGIN_SECONDS: i64 = 1_767_225_600;

thread_local! {
    /// The wall clock of the host that is being polled, in nanoseconds since 1970.
    static WALL: Cell<i64> = const { Cell::new(0) };
    /// Time since the simulation began, which no host can change or sleep through.
    static ELAPSED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// The wall clock of whoever asks.
pub(crate) fn wall_time() -> WallTime {
    WallTime::from_nanosecond(i128::from(WALL.get())).expect("a time of this century")
}

/// The clock of leases of whoever asks.
pub(crate) fn lease_time() -> Timestamp {
    Timestamp::new(ELAPSED.get())
}

/// Dropping it kills all of its tasks where they stand.
pub(crate) struct Host {
    runtime: Runtime,
    /// How far its own clock is behind, because it was stopped.
    behind: Duration,
    /// How far its wall clock is off, in seconds.
    pub(crate) wall_offset: i64,
}

impl Host {
    pub(crate) fn new() -> Self {
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        Host {
            runtime,
            behind: Duration::ZERO,
            wall_offset: 0,
        }
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        self.runtime.spawn(task).abort_handle()
    }

    /// Lets everything on it run for one tick, after `now` of virtual time since the start.
    pub(crate) fn step(&mut self, now: Duration) {
        ELAPSED.set(now);
        let elapsed = i64::try_from(now.as_nanos()).unwrap();
        WALL.set((BEGIN_SECONDS + self.wall_offset) * 1_000_000_000 + elapsed);
        let behind = std::mem::take(&mut self.behind);
        self.runtime.block_on(async move {
            if !behind.is_zero() {
                tokio::time::advance(behind).await;
            }
            tokio::time::sleep(TICK).await;
        });
    }

    /// It is stopped for one tick. Its clock is not.
    pub(crate) fn skip(&mut self) {
        self.behind += TICK;
    }
}
