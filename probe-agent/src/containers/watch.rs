//! Noticing at once that a cgroup came or went.

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;
use std::thread;

use inotify::{Inotify, WatchDescriptor, WatchMask, Watches};

/// Bytes of events read at once; more are read in the next round.
const BUFFER_BYTES: usize = 4096;

/// Watches directories for directories that are made or removed in them.
///
/// Watching is a hint, never the truth: when the kernel's limit on watches is reached or events
/// overflow, containers are found by the regular scan instead.
#[derive(Debug)]
pub struct Watcher {
    watches: Watches,
    current: HashSet<WatchDescriptor>,
}

/// Some directories are not watched; new containers there are found by the regular scan.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// inotify itself failed to start.
    #[error("cannot start inotify: {0}; raise fs.inotify.max_user_instances")]
    Start(#[source] io::Error),
    /// The limit on watches was reached after this many.
    #[error(
        "only {watched} of {wanted} cgroups are watched: {source}; raise fs.inotify.max_user_watches"
    )]
    Partial {
        /// Directories that are watched.
        watched: usize,
        /// Directories that should be.
        wanted: usize,
        /// What the kernel said.
        source: io::Error,
    },
}

impl Watcher {
    /// Starts watching nothing; `nudge` is called from a thread of its own after each burst of
    /// changes in what [`Watcher::watch`] names, and must not block.
    pub fn start(nudge: impl Fn() + Send + 'static) -> Result<Self, WatchError> {
        let mut inotify = Inotify::init().map_err(WatchError::Start)?;
        let watches = inotify.watches();
        // The thread sleeps in `read` and ends with the process: with nothing watched nothing ever
        // wakes it, so there is nothing to gain from ending it earlier.
        thread::Builder::new()
            .name("cgroup-watch".into())
            .stack_size(64 * 1024)
            .spawn(move || {
                let mut buffer = [0; BUFFER_BYTES];
                while let Ok(events) = inotify.read_events_blocking(&mut buffer) {
                    // Removing a watch is itself an event, which is not worth a scan.
                    if events.into_iter().any(|event| !is_bookkeeping(event.mask)) {
                        nudge();
                    }
                }
            })
            .map_err(WatchError::Start)?;
        Ok(Self {
            watches,
            current: HashSet::new(),
        })
    }

    /// Watches exactly `directories` from now on. Vanished ones are passed over.
    pub fn watch(&mut self, directories: &[PathBuf]) -> Result<(), WatchError> {
        let mut next = HashSet::with_capacity(directories.len());
        let mut failure = None;
        for directory in directories {
            // Adding a watch again yields the same descriptor, so there is no table of paths here
            // that could disagree with the kernel's.
            let mask = WatchMask::CREATE | WatchMask::DELETE | WatchMask::ONLYDIR;
            match self.watches.add(directory, mask) {
                Ok(descriptor) => {
                    next.insert(descriptor);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        for stale in self.current.difference(&next) {
            // Fails when the directory is gone, and its watch with it.
            let _ = self.watches.remove(stale.clone());
        }
        self.current = next;
        match failure {
            None => Ok(()),
            Some(source) => Err(WatchError::Partial {
                watched: self.current.len(),
                wanted: directories.len(),
                source,
            }),
        }
    }
}

fn is_bookkeeping(mask: inotify::EventMask) -> bool {
    mask.contains(inotify::EventMask::IGNORED)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(10);

    #[test]
    fn only_what_is_watched_now_nudges() {
        let root = tempfile::tempdir().expect("a directory");
        let (watched, dropped) = (root.path().join("a"), root.path().join("b"));
        for directory in [&watched, &dropped] {
            std::fs::create_dir(directory).expect("a directory");
        }
        let (sender, nudges) = mpsc::channel();
        let mut watcher =
            Watcher::start(move || sender.send(()).expect("listening")).expect("inotify");

        watcher
            .watch(std::slice::from_ref(&dropped))
            .expect("watched");
        std::fs::create_dir(dropped.join("child")).expect("a directory");
        nudges
            .recv_timeout(DEADLINE)
            .expect("a new directory nudges");

        watcher
            .watch(std::slice::from_ref(&watched))
            .expect("watched");
        while nudges.try_recv().is_ok() {}
        // Events come in order: had the first one nudged, it would be in front of the second.
        std::fs::create_dir(dropped.join("ignored")).expect("a directory");
        std::fs::create_dir(watched.join("child")).expect("a directory");
        nudges
            .recv_timeout(DEADLINE)
            .expect("the watched directory nudges");
        assert!(
            nudges.try_recv().is_err(),
            "the dropped directory is silent"
        );

        std::fs::remove_dir(watched.join("child")).expect("removed");
        nudges.recv_timeout(DEADLINE).expect("a removal nudges");
    }

    #[test]
    fn vanished_directories_are_passed_over() {
        let mut watcher = Watcher::start(|| {}).expect("inotify");
        watcher
            .watch(&[PathBuf::from("/nowhere/at/all")])
            .expect("passed over");
    }
}
