//! Ending in good order: one signal asks, the second one insists.

use anyhow::{Result, anyhow};
use tokio::signal::unix::{SignalKind, signal};

/// Exit code of a run that the user cut short.
pub const INTERRUPTED: u8 = 130;

/// Waits for SIGINT or SIGTERM and tells which; from then on another one ends this process at once,
/// and the kernel ends its children.
pub async fn interrupted() -> &'static str {
    let name = next().await;
    tokio::spawn(async {
        next().await;
        std::process::exit(i32::from(INTERRUPTED));
    });
    name
}

/// What `work` comes to, or an error when a signal comes first. `work` is dropped then: what it
/// started has its owner outside, to be stopped in order.
///
/// # Errors
/// Those of `work`, and the signal.
pub async fn unless_interrupted<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::select! {
        outcome = work => outcome,
        signal = interrupted() => Err(anyhow!("stopped by {signal}")),
    }
}

async fn next() -> &'static str {
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        // Without handlers the kernel's default applies: the signal ends this process.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    }
}
