//! Ranges outside 127.0.0.0/8 made addresses of this machine: `local` routes to the loopback device.
//!
//! Kubernetes takes no loopback address for an endpoint (CVE-2021-25737), so on a real control plane
//! pods need others. One route per range is enough: afterwards every address in it can be listened
//! on. What was added is noted in a file before it is added, for the next start to remove after a
//! kill.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::address::Cidr;

/// Where the notes lie; a tmpfs on every Linux system, as empty after a reboot as the routing table.
const DIRECTORY: &str = "/run/viperscale";

/// Why a range cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RouteError {
    /// The range is in use.
    #[error("{range} overlaps {taken}, which this machine routes elsewhere; choose another range")]
    Taken {
        /// What was to be added.
        range: Cidr,
        /// What is there.
        taken: Cidr,
    },
    /// `ip` failed or is missing.
    #[error("cannot {action} the route to {range}: {problem}")]
    Command {
        /// The verb: add, delete.
        action: &'static str,
        /// The range.
        range: String,
        /// What `ip`, of iproute2, said.
        problem: String,
    },
    /// A file could not be read or written.
    #[error("cannot use {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

/// Makes the ranges, without those that need nothing, addresses of this machine. The caller holds
/// the node's lock.
///
/// # Errors
/// When a range is in use by this machine's network, or a route cannot be added.
pub(crate) fn add(node_name: &str, ranges: &[Cidr]) -> Result<(), RouteError> {
    let ranges: Vec<Cidr> = ranges
        .iter()
        .copied()
        .filter(|range| !range.is_loopback())
        .collect();
    if ranges.is_empty() {
        return Ok(());
    }
    let table = Path::new("/proc/net/route");
    let text = fs::read_to_string(table).map_err(failed(table))?;
    for range in &ranges {
        if let Some(taken) = routed(&text).find(|routed| routed.overlaps(*range)) {
            return Err(RouteError::Taken {
                range: *range,
                taken,
            });
        }
    }
    let note = note(node_name);
    let lines: String = ranges.iter().map(|range| format!("{range}\n")).collect();
    fs::write(&note, lines).map_err(failed(&note))?;
    ranges
        .iter()
        .try_for_each(|range| ip("add", &range.to_string()))
}

/// Removes what [`add`] of this or of a killed node of this name has added. The caller holds the
/// node's lock.
///
/// # Errors
/// When a route that is there cannot be removed.
pub(crate) fn remove(node_name: &str) -> Result<(), RouteError> {
    let note = note(node_name);
    let text = match fs::read_to_string(&note) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(&note)(error)),
    };
    for range in text.lines() {
        match ip("delete", range) {
            // The kill came between the note and the route.
            Err(RouteError::Command { problem, .. }) if problem.contains("No such process") => {}
            other => other?,
        }
    }
    fs::remove_file(&note).map_err(failed(&note))
}

fn note(node_name: &str) -> PathBuf {
    Path::new(DIRECTORY).join(format!("node-{node_name}.routes"))
}

fn ip(action: &'static str, range: &str) -> Result<(), RouteError> {
    let refused = |problem: String| RouteError::Command {
        action,
        range: range.to_owned(),
        problem,
    };
    let output = Command::new("ip")
        .args(["route", action, "local", range, "dev", "lo"])
        .output()
        .map_err(|error| refused(format!("ip, of iproute2, does not start: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    Err(refused(
        String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    ))
}

/// The destinations in the text of `/proc/net/route`, without the default route. Local routes are
/// in another table, which the file does not show.
fn routed(text: &str) -> impl Iterator<Item = Cidr> {
    text.lines().skip(1).filter_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        // Addresses are printed as the number that their bytes make on this machine.
        let number = |text: &str| u32::from_str_radix(text, 16).ok().map(u32::swap_bytes);
        let network = number(fields.next()?)?;
        let mask = number(fields.nth(5)?)?;
        (mask != 0).then(|| Cidr::of_route(network, mask))
    })
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> RouteError {
    move |source| RouteError::Io {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sees_what_the_machine_routes() {
        let text = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
            eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
            eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
        let found: Vec<Cidr> = routed(text).collect();
        assert_eq!(found, ["192.0.2.0/24".parse().unwrap()]);
    }

    #[test]
    fn a_range_becomes_local_and_is_given_back_after_a_kill() {
        let name = format!("routetest-{}", std::process::id());
        let range: Cidr = "10.251.77.0/29".parse().unwrap();
        fs::create_dir_all(DIRECTORY).unwrap();
        let bindable = || std::net::TcpListener::bind("10.251.77.3:0").is_ok();
        add(&name, &[Cidr::PODS, range]).unwrap();
        assert!(bindable());
        // Nothing else is known to the next start than the name.
        remove(&name).unwrap();
        assert!(!bindable() && !note(&name).exists());
        fs::write(note(&name), format!("{range}\n")).unwrap();
        remove(&name).unwrap();
    }
}
