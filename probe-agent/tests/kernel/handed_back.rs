//! Requests that a device has no room for: its driver hands them back, and they are issued again.
//!
//! Truth is what many writers wrote past the page cache at once. That requests were handed back is known
//! from the kernel's own trace.

use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use probe_agent::kernel::Metric;

use crate::disk_container::{Cgroups, METRICS};
use crate::process::Process;
use crate::scratch::{Aligned, PAGE, Scratch};
use crate::{alone, kernels, read};

/// Together more than a device takes at once.
const WRITERS: usize = 24;
const BLOCKS: usize = 40;
const BLOCK: usize = 16 * PAGE;

/// How often it is tried to have some handed back.
const ROUNDS: usize = 5;

/// Requests smaller than a block that the writers may make besides: they read the file system's tables if
/// the machine needed the room meanwhile.
const BESIDES: u64 = WRITERS as u64;

/// A trace of its own, removed when dropped, of requests that were handed back.
struct Trace(PathBuf);

impl Trace {
    fn start() -> io::Result<Self> {
        let trace = Self(Path::new("/sys/kernel/tracing/instances/viperscale-test").to_owned());
        // Left by a run that was killed.
        let _none = fs::remove_dir(&trace.0);
        fs::create_dir(&trace.0)?;
        fs::write(trace.0.join("events/block/block_rq_requeue/enable"), "1")?;
        Ok(trace)
    }

    fn lines(&self) -> usize {
        let text = fs::read_to_string(self.0.join("trace")).expect("a trace");
        text.lines().filter(|line| !line.starts_with('#')).count()
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        let _gone = fs::write(self.0.join("events/enable"), "0");
        let _gone = fs::remove_dir(&self.0);
    }
}

fn write(scratch: &Scratch, place: usize) -> io::Result<u64> {
    static DATA: Aligned = Aligned::filled();
    let file = scratch.open_direct()?;
    let mut written = 0;
    for block in 0..BLOCKS {
        let at = (place * BLOCKS + block) * BLOCK;
        written += file.write_at(&DATA.0[..BLOCK], at as u64)? as u64;
    }
    Ok(written)
}

#[test]
fn what_is_issued_again_counts_once() {
    let _alone = alone();
    for (tree, mut kernel) in kernels(&METRICS) {
        let trace = match Trace::start() {
            Ok(trace) => trace,
            Err(error) => {
                println!("passed over: the kernel's trace cannot be had: {error}");
                return;
            }
        };
        let file = Scratch::create("crowded", WRITERS * BLOCKS * BLOCK / PAGE);
        let container = Cgroups::create(tree, "crowd");
        let slot = container.measure(&mut kernel);
        let mut written = 0;
        for _ in 0..ROUNDS {
            let mut writers: Vec<Process> = (0..WRITERS)
                .map(|place| Process::spawn(&container.all(), || write(&file, place).unwrap_or(0)))
                .collect();
            writers.iter_mut().for_each(Process::start);
            written += writers.iter_mut().map(Process::result).sum::<u64>();
            if trace.lines() > 0 {
                break;
            }
        }
        let handed_back = trace.lines();
        if handed_back == 0 {
            println!("passed over: this disk takes whatever {WRITERS} writers give it");
        }
        let reading = read(&mut kernel, slot);
        let size = &reading.metrics[&Metric::DiskIoSize];
        println!(
            "{tree:?}: {handed_back} handed back; {} bytes of {written} in {} requests",
            size.sum, size.count
        );
        assert_eq!(
            written % (WRITERS * BLOCKS * BLOCK) as u64,
            0,
            "the premise: no write was cut short"
        );
        let writes = written / BLOCK as u64;
        let exponent = BLOCK.ilog2() as usize;
        assert_eq!(size.log2_buckets[exponent], writes, "{tree:?}: each once");
        let besides = size.count - writes;
        assert!(besides <= BESIDES, "{tree:?}: {besides} other requests");
        let smaller: u64 = size.log2_buckets[..exponent].iter().sum();
        assert_eq!(smaller, besides, "{tree:?}: the others are smaller");
        let most = besides * BLOCK as u64;
        assert!(
            (written..=written + most).contains(&size.sum),
            "{tree:?}: each byte once, and those of {besides} smaller requests"
        );
    }
}
