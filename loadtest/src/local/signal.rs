//! Ending in good order: one signal asks, the second one insists.

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
