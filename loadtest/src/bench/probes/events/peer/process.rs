//! A tool of others while it runs.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::super::measure::{Cost, Loaded, measure, programs};
use super::PeerSpec;
use crate::local::die_with;

/// How long a tool may take to attach; bpftrace compiles its script first.
const ATTACH_WITHIN: Duration = Duration::from_secs(20);

/// With no further program for so long after one has run, all are attached. Before any runs, those that
/// are there may only try what the kernel can do.
const SETTLED: Duration = Duration::from_millis(400);

/// With no further program for so long, all are attached, even if none has run: nothing may have happened,
/// and without the kernel's statistics runs are not counted.
const SETTLED_QUIETLY: Duration = Duration::from_secs(2);

/// How often that is looked at.
const POLL: Duration = Duration::from_millis(40);

/// A running tool; ended when dropped, and by the kernel when this process dies.
#[derive(Debug)]
pub(in crate::bench::probes) struct Peer {
    child: Child,
    programs: BTreeSet<u32>,
    per_event: Option<u32>,
}

impl Peer {
    /// Starts it and waits until it has attached its programs, or says why not.
    ///
    /// # Errors
    /// When the process cannot be asked.
    pub(in crate::bench::probes) async fn start(spec: &PeerSpec) -> Result<Result<Self, String>> {
        let mut complaints = tempfile::tempfile().context("cannot make a file")?;
        let mut running = match Self::spawn(spec, &complaints) {
            Ok(child) => Self {
                child,
                programs: BTreeSet::new(),
                per_event: None,
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Err(spec.not_installed()));
            }
            Err(error) => return Ok(Err(format!("{} does not start: {error}", spec.name))),
        };
        let since = Instant::now();
        let mut last_new = since;
        loop {
            if let Some(status) = running.child.try_wait()? {
                let said = complaint_in(&mut complaints);
                return Ok(Err(format!("{} ended with {status}: {said}", spec.name)));
            }
            if since.elapsed() > ATTACH_WITHIN {
                let seconds = ATTACH_WITHIN.as_secs();
                let name = spec.name;
                return Ok(Err(format!("{name} attached nothing within {seconds} s")));
            }
            let ids = programs_of(running.child.id());
            let held: Vec<Loaded> = programs()
                .into_iter()
                .filter(|found| ids.contains(&found.id))
                .collect();
            if ids != running.programs {
                (running.programs, last_new) = (ids, Instant::now());
            }
            let settled = match held.iter().any(|found| found.runs > 0) {
                true => SETTLED,
                false => SETTLED_QUIETLY,
            };
            if !held.is_empty() && last_new.elapsed() > settled {
                running.per_event = spec.counted_by.and_then(|part| {
                    let found = held.iter().find(|found| found.name.contains(part));
                    found.map(|found| found.id)
                });
                return Ok(Ok(running));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Out of reach of a Ctrl-C in the terminal, so that it ends when we end it.
    fn spawn(spec: &PeerSpec, complaints: &File) -> io::Result<Child> {
        let mut command = spec.command();
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(complaints.try_clone()?)
            .process_group(0);
        let parent = nix::unistd::getpid();
        // SAFETY: between fork and exec the closure calls only prctl and getppid, which are
        // async-signal-safe.
        unsafe {
            command.pre_exec(move || die_with(parent));
        }
        command.spawn()
    }

    /// Its process.
    pub(in crate::bench::probes) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Measures all its programs together.
    pub(in super::super) async fn measure(&self, time: Duration) -> Result<Cost, String> {
        let cost = measure(&self.programs, self.per_event, time).await;
        match cost.events {
            0 => Err("its programs did not run".to_owned()),
            _ => Ok(cost),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped = self.child.wait();
        // Its programs are unloaded a moment later; what comes next must not be measured with them.
        let deadline = Instant::now() + Duration::from_secs(2);
        while Instant::now() < deadline
            && programs()
                .iter()
                .any(|found| self.programs.contains(&found.id))
        {
            std::thread::sleep(POLL);
        }
    }
}

/// The programs that a process holds, itself or by a link. Whoever else loads some meanwhile has nothing
/// to do with it.
fn programs_of(pid: u32) -> BTreeSet<u32> {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fdinfo"));
    let texts = descriptors
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| fs::read_to_string(entry.path()).ok());
    texts.filter_map(|text| program_id(&text)).collect()
}

/// The program that the kernel's account of a file descriptor names.
fn program_id(account: &str) -> Option<u32> {
    let id = account
        .lines()
        .find_map(|line| line.strip_prefix("prog_id:"))?;
    id.trim().parse().ok()
}

/// The first complaint in what a tool wrote to its standard error: those that follow are of its kind.
fn complaint_in(file: &mut File) -> String {
    let mut text = Vec::new();
    let read = file.rewind().and_then(|()| file.read_to_end(&mut text));
    if let Err(error) = read {
        return format!("what it wrote cannot be read: {error}");
    }
    first_complaint(&String::from_utf8_lossy(&text))
}

fn first_complaint(text: &str) -> String {
    let complains = |line: &&str| {
        // bpftrace goes on without that right, and kernels since 5.11 do not ask for it.
        let lower = line.to_lowercase();
        (lower.contains("error") || lower.contains("fail")) && !lower.contains("rlimit_memlock")
    };
    let line = text.lines().find(complains);
    let line = line.or_else(|| text.lines().find(|line| !line.trim().is_empty()));
    line.map_or("it did not say why", str::trim).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_tool_that_is_not_there_says_how_to_get_it() {
        let spec = PeerSpec::libbpf("no-such-tool-of-anybody", &[]);
        let reason = Peer::start(&spec).await.unwrap().map(drop).unwrap_err();
        assert!(reason.contains("apt-get install"), "{reason}");
    }

    #[tokio::test]
    async fn a_tool_that_fails_is_quoted() {
        let spec = PeerSpec::libbpf("ls", &["--no-such-option"]);
        let reason = Peer::start(&spec).await.unwrap().map(drop).unwrap_err();
        assert!(reason.starts_with("ls ended with"), "{reason}");
        assert!(reason.contains("no-such-option"), "{reason}");
    }

    #[test]
    fn the_first_complaint_counts() {
        let bpftrace =
            "ERROR: couldn't set RLIMIT_MEMLOCK\nstdin:1: ERROR: no field\n  @a[args.b]\n";
        assert_eq!(first_complaint(bpftrace), "stdin:1: ERROR: no field");
        let libbpf = "libbpf: prog 'a': failed to load: -1\nfailed to load BPF object\n";
        assert_eq!(
            first_complaint(libbpf),
            "libbpf: prog 'a': failed to load: -1"
        );
        assert_eq!(
            first_complaint("\ntool: unrecognized option\nTry --help\n"),
            "tool: unrecognized option"
        );
        assert_eq!(first_complaint(""), "it did not say why");
    }

    #[test]
    fn descriptors_of_programs_and_of_links_name_them() {
        assert_eq!(
            program_id("pos:\t0\nprog_type:\t26\nprog_id:\t71\n"),
            Some(71)
        );
        assert_eq!(
            program_id("link_type:\ttracing\nlink_id:\t3\nprog_tag:\t0a\nprog_id:\t9\n"),
            Some(9)
        );
        assert_eq!(program_id("pos:\t0\nflags:\t02\nmap_id:\t7\n"), None);
    }
}
