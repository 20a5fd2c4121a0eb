//! `probe-agent top`.

use std::io::{self, IsTerminal};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};

use super::TopArgs;
use super::shutdown::Shutdown;
use crate::containers::{self, Limits};
use crate::hierarchy::{Hierarchies, Tree};
use crate::kernel::{Metric, Settings};
use crate::measuring;
use crate::monitor::{Interval, Monitor};
use crate::orders::Orders;
use crate::plan::{Plan, Selection, Wishes};
use crate::stream::{Outbox, SOLE_READER};

mod choice;
mod figures;
mod row;
mod screen;

pub(super) use choice::{Choice, ChoiceOf};
use row::Row;
use screen::Screen;

/// A slow terminal sees the newest tables only.
const QUEUE: NonZeroUsize = NonZeroUsize::MIN;

/// Measures and shows until Ctrl-C, or one interval with `--once`.
pub(super) async fn top(args: TopArgs) -> Result<ExitCode> {
    let hierarchies = Hierarchies::detect(&args.cgroup_root.path)?;
    let mut settings = Settings::default();
    for choice in &args.metrics {
        choice.add_to(&mut settings).map_err(anyhow::Error::msg)?;
    }
    let particular = args.metrics_of.into_iter().map(Into::into).collect();
    let wishes = Wishes::new(settings, particular);
    let metrics: Vec<Metric> = wishes.metrics().into_iter().collect();
    let (tree, selection) = if args.cgroup.is_empty() {
        let tree = containers::choose_tree(&hierarchies, Limits::default())?;
        (tree, Selection::EveryContainer(wishes))
    } else {
        let (tree, paths) = resolve(&hierarchies, &args.cgroup)?;
        (tree, Selection::Cgroups(paths, wishes))
    };
    let named = matches!(selection, Selection::Cgroups(..));
    let mount = hierarchies
        .mount_of(tree)
        .unwrap_or(Path::new("/"))
        .to_path_buf();
    let max_containers = args.room.max_containers;
    let mut shutdown = Shutdown::catch().context("cannot catch signals")?;
    let monitor =
        tokio::task::spawn_blocking(move || Monitor::open_tree(hierarchies, tree, max_containers))
            .await??;
    for &metric in &metrics {
        let support = monitor.kernel().support().get(metric);
        if !support.is_measured() {
            eprintln!("probe-agent: {} is {support}", crate::metric_name(metric));
        }
    }

    let (intervals, orders) = (
        Arc::new(Outbox::bounded(QUEUE)),
        Arc::new(Orders::default()),
    );
    let sink = Arc::clone(&intervals);
    let mut thread = measuring::spawn(monitor, Arc::clone(&orders), move |interval| {
        sink.push(interval)
    })
    .context("cannot start the measuring thread")?;
    orders.follow(Plan {
        revision: 0,
        interval: args.interval,
        selection,
    });

    let mut screen = Screen::open(args.json, !args.once && io::stdout().is_terminal(), metrics)?;
    let outcome = loop {
        let interval = tokio::select! {
            () = shutdown.requested() => break Ok(ExitCode::SUCCESS),
            error = thread.ended() => break Err(error.into()),
            interval = intervals.pop(SOLE_READER) => interval.item,
        };
        if let Err(error) = screen.show(&interval, rows(&interval, &mount), named) {
            break Err(error.into());
        }
        if args.once {
            let empty = interval.containers.is_empty();
            break Ok(if empty {
                ExitCode::FAILURE
            } else {
                ExitCode::SUCCESS
            });
        }
    };
    drop(screen);
    shutdown.abort_on_second();
    tokio::task::spawn_blocking(move || thread.stop()).await??;
    outcome
}

/// The busiest first; pause containers, which only hold a pod's namespaces, are left out.
fn rows(interval: &Interval, mount: &Path) -> Vec<Row> {
    let mut rows: Vec<Row> = interval
        .containers
        .iter()
        .map(|measured| Row::of(measured, interval.length, mount))
        .filter(|row| row.command != "pause")
        .collect();
    rows.sort_by(|one, other| {
        let busy = |row: &Row| row.on_cpu_percent.unwrap_or_default();
        busy(other)
            .total_cmp(&busy(one))
            .then_with(|| one.cgroup.cmp(&other.cgroup))
    });
    rows
}

/// The tree that the named cgroups are in, and their paths relative to its mount.
fn resolve(hierarchies: &Hierarchies, cgroups: &[PathBuf]) -> Result<(Tree, Vec<PathBuf>)> {
    let relative: Vec<PathBuf> = cgroups
        .iter()
        .map(|path| below_mount(hierarchies, path))
        .collect();
    let holds_all = |tree: Tree| {
        hierarchies
            .mount_of(tree)
            .is_some_and(|mount| relative.iter().all(|path| mount.join(path).is_dir()))
    };
    match [Tree::V2, Tree::V1Cpu]
        .into_iter()
        .find(|&tree| holds_all(tree))
    {
        Some(tree) => Ok((tree, relative)),
        None => {
            let mounts: Vec<_> = [Tree::V2, Tree::V1Cpu]
                .into_iter()
                .filter_map(|tree| hierarchies.mount_of(tree))
                .map(|mount| mount.display().to_string())
                .collect();
            anyhow::bail!(
                "no cgroup tree has {}; look below {} or in /proc/PID/cgroup for the path",
                cgroups
                    .iter()
                    .map(|path| path.display().to_string())
                    .collect::<Vec<_>>()
                    .join(" and "),
                mounts.join(" and "),
            )
        }
    }
}

/// Takes the mount off a path that has one.
fn below_mount(hierarchies: &Hierarchies, path: &Path) -> PathBuf {
    let stripped = [Tree::V2, Tree::V1Cpu]
        .into_iter()
        .filter_map(|tree| hierarchies.mount_of(tree))
        .find_map(|mount| path.strip_prefix(mount).ok());
    stripped
        .or_else(|| path.strip_prefix("/").ok())
        .unwrap_or(path)
        .to_path_buf()
}
