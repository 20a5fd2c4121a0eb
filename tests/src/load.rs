//! Open-loop load: requests start at a fixed rate, however long the answers take.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// Requests that may be under way at once; further ones are left out.
const MAX_IN_FLIGHT: usize = 256;

/// Load on one address until dropped.
#[derive(Debug)]
pub struct Load {
    task: JoinHandle<()>,
    answered: Arc<AtomicU64>,
}

impl Load {
    /// Starts `per_second` requests to `url`.
    ///
    /// # Panics
    /// When no HTTP client can be made.
    pub fn start(url: String, per_second: u32) -> Self {
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(5))
            .no_proxy()
            .build()
            .expect("an HTTP client without options that can fail");
        let answered = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&answered);
        let task = tokio::spawn(async move {
            let places = Arc::new(Semaphore::new(MAX_IN_FLIGHT));
            let mut ticks = tokio::time::interval(Duration::from_secs(1) / per_second);
            loop {
                ticks.tick().await;
                let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                    continue;
                };
                let request = client.get(&url).send();
                let counter = Arc::clone(&counter);
                tokio::spawn(async move {
                    if request
                        .await
                        .is_ok_and(|answer| answer.status().is_success())
                    {
                        counter.fetch_add(1, Ordering::Relaxed);
                    }
                    drop(place);
                });
            }
        });
        Self { task, answered }
    }

    /// Requests that were answered well so far.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.task.abort();
    }
}
