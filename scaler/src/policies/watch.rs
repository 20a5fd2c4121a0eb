//! Reads files and objects anew when they change, and publishes what is in force.

use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::{mpsc, watch as state};
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{error, info, warn};

use super::{Objects, PolicySet, PolicyStore, Problem, read_directory};
use crate::metrics;

/// Editors and ConfigMap swaps touch several names; this long after the last touch, all is there.
const QUIET: Duration = Duration::from_millis(50);
/// A directory that never stops changing is read at least this often.
const MAX_DELAY: Duration = Duration::from_secs(1);
/// The directory is read this often even without notice: network file systems give none, and a
/// directory that was replaced takes its watch with it.
const POLL: Duration = Duration::from_secs(5);

/// Follows `directory`, if there is one, and `objects` for as long as it is polled, publishing every
/// change.
///
/// The first set is published when both are known: of two policies for one deployment, the one that
/// is read first must not act meanwhile.
pub async fn watch(
    directory: Option<PathBuf>,
    mut objects: state::Receiver<Objects>,
    published: state::Sender<PolicySet>,
) {
    // The sender lives as long as the process; should it be gone, files alone are followed.
    let _ = objects.wait_for(|objects| objects.known).await;
    // One place is enough: a waiting notice already says "read again", so more are dropped.
    let (notices, mut noticed) = mpsc::channel(1);
    let mut watcher = directory.as_ref().and_then(|_| start_watcher(notices));
    let mut store = PolicyStore::default();
    let mut first = true;
    loop {
        let known = objects.borrow_and_update().clone();
        // Before reading, so that what changes meanwhile is noticed. Adding a watch again does
        // nothing, unless the directory is another one by now.
        if let (Some(watcher), Some(directory)) = (&mut watcher, &directory) {
            let _ = watcher.watch(directory, RecursiveMode::NonRecursive);
        }
        store = reload(store, directory.as_deref(), known, &published, first).await;
        first = false;
        tokio::select! {
            Some(()) = noticed.recv() => settle(&mut noticed).await,
            Ok(()) = objects.changed() => {}
            () = sleep(POLL) => {}
        }
    }
}

fn start_watcher(notices: mpsc::Sender<()>) -> Option<RecommendedWatcher> {
    let handler = move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| is_change(event.kind)) {
            let _ = notices.try_send(());
        }
    };
    notify::recommended_watcher(handler)
        .inspect_err(|error| warn!(%error, "no notice of file changes, polling policies instead"))
        .ok()
}

/// Reading a file is an event too, and must not cause another reading.
fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        _ => true,
    }
}

/// Waits until nothing changed for a while.
async fn settle(noticed: &mut mpsc::Receiver<()>) {
    let deadline = Instant::now() + MAX_DELAY;
    while timeout_at((Instant::now() + QUIET).min(deadline), noticed.recv())
        .await
        .is_ok()
    {
        if Instant::now() >= deadline {
            return;
        }
    }
}

async fn reload(
    mut store: PolicyStore,
    directory: Option<&Path>,
    objects: Objects,
    published: &state::Sender<PolicySet>,
    first: bool,
) -> PolicyStore {
    let path = directory.map(Path::to_owned);
    let reading = tokio::task::spawn_blocking(move || {
        let of_objects = store.update_objects(&objects);
        let set = match path {
            Some(path) => store.update(&path, read_directory(&path)),
            None => of_objects,
        };
        (store, set)
    });
    let (store, set) = match reading.await {
        Ok(read) => read,
        Err(error) => {
            error!(%error, "reading the policies failed; starting over");
            return PolicyStore::default();
        }
    };
    let changed = published.send_if_modified(|known| {
        let changed = first || *known != set;
        if changed {
            report_problems(&known.problems, &set.problems);
            *known = set.clone();
        }
        changed
    });
    metrics::policy_errors(set.problems.len());
    if changed {
        metrics::policies_reloaded(set.problems.len());
        info!(
            directory = directory.map(|path| path.display().to_string()),
            objects = set.objects.len(),
            in_force = set.in_force.len(),
            refused = set.refused.len(),
            problems = set.problems.len(),
            "policies loaded"
        );
        if set == PolicySet::default() {
            warn!(
                directory = directory.map(|path| path.display().to_string()),
                "no policies, so nothing is measured or scaled: put ScalingPolicy files (*.yaml, \
                 *.yml) directly into the directory, or create ScalingPolicy objects; they are read \
                 as they appear"
            );
        }
    }
    store
}

/// Each problem is logged once, when it is new.
fn report_problems(known: &[Problem], now: &[Problem]) {
    for problem in now.iter().filter(|problem| !known.contains(problem)) {
        error!(
            file = %problem.file.display(),
            line = problem.line,
            field = %problem.field,
            problem = %problem,
            "policy refused"
        );
    }
}
