//! What the benchmark's pods run: nothing, until the load steps up; then all the CPU there is.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

/// How often the file is looked for: some ten microseconds of CPU each time.
const POLL: Duration = Duration::from_millis(20);

/// Options of the hidden `bench spin`.
#[derive(Debug, Args)]
pub struct SpinArgs {
    /// Spin as soon as this file is there
    #[arg(long)]
    pub after: PathBuf,
}

/// Waits for the file, then spins until it is killed.
pub fn spin(args: &SpinArgs) -> ! {
    while !args.after.exists() {
        std::thread::sleep(POLL);
    }
    loop {
        std::hint::spin_loop();
    }
}
