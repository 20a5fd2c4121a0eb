//! Context switches, as many as one CPU can do.

use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::thread::JoinHandle;

use anyhow::{Context, Result};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

/// Two threads on one CPU that hand a byte to and fro until this is dropped.
#[derive(Debug)]
pub(super) struct PingPong {
    /// Closing it ends the first thread, which ends the second.
    serve: Option<PipeWriter>,
    threads: Vec<JoinHandle<()>>,
}

impl PingPong {
    pub(super) fn start() -> Result<Self> {
        let cpus = std::thread::available_parallelism()
            .context("cannot count CPUs")?
            .get();
        let (to_first, mut serve) = pipe().context("cannot create a pipe")?;
        let (to_second, first_hand) = pipe().context("cannot create a pipe")?;
        let second_hand = serve.try_clone().context("cannot duplicate a pipe")?;
        serve.write_all(&[0]).context("cannot write to a pipe")?;
        let threads = vec![
            player(cpus - 1, to_first, first_hand)?,
            player(cpus - 1, to_second, second_hand)?,
        ];
        Ok(Self {
            serve: Some(serve),
            threads,
        })
    }
}

/// The byte that ends the game.
const END: u8 = 1;

fn player(cpu: usize, mut from: PipeReader, mut to: PipeWriter) -> Result<JoinHandle<()>> {
    let play = move || {
        let mut only = CpuSet::new();
        let pinned = only
            .set(cpu)
            .and_then(|()| sched_setaffinity(Pid::from_raw(0), &only));
        if let Err(error) = pinned {
            tracing::warn!(%error, cpu, "the load is not pinned; expect more noise");
        }
        let mut byte = [0];
        while from.read_exact(&mut byte).is_ok() && to.write_all(&byte).is_ok() && byte[0] != END {}
    };
    std::thread::Builder::new()
        .name("ping-pong".to_owned())
        .spawn(play)
        .context("cannot start a thread")
}

impl Drop for PingPong {
    fn drop(&mut self) {
        if let Some(mut serve) = self.serve.take() {
            let _ended_already = serve.write_all(&[END]);
        }
        for thread in self.threads.drain(..) {
            let _panicked = thread.join();
        }
    }
}
