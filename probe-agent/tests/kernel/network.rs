//! A network of a test's own: one loopback device, whose counters nobody else moves, and ports that
//! nobody else has.

use std::fs::{self, File};
use std::io;

use nix::sched::{CloneFlags, setns, unshare};

/// A network namespace; gone when the last process in it is.
#[derive(Debug)]
pub(crate) struct Network {
    namespace: File,
}

impl Network {
    pub(crate) fn create() -> Self {
        // On a thread of its own, which then is the only one that left the machine's network.
        let made = std::thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect("root may create network namespaces");
            up("lo").expect("the loopback device comes up");
            File::open("/proc/thread-self/ns/net").expect("procfs")
        });
        Self {
            namespace: made.join().expect("no panic"),
        }
    }

    /// Moves the calling thread into it; for the work of forked children, which have one.
    pub(crate) fn enter(&self) -> io::Result<()> {
        Ok(setns(&self.namespace, CloneFlags::CLONE_NEWNET)?)
    }

    /// A counter of this network: `RetransSegs` of `Tcp` for example, as `/proc/net/snmp` or
    /// `/proc/net/netstat` has it.
    pub(crate) fn counter(&self, protocol: &str, name: &str) -> u64 {
        let text = self.inside(|| {
            ["snmp", "netstat"]
                .map(|file| fs::read_to_string(format!("/proc/thread-self/net/{file}")))
                .into_iter()
                .flatten()
                .collect::<String>()
        });
        let prefix = format!("{protocol}:");
        let mut lines = text
            .lines()
            .filter_map(|line| line.strip_prefix(&prefix))
            .map(|rest| rest.split_whitespace().collect::<Vec<_>>());
        // Two lines each: names, then values.
        let (names, values) = (
            lines.next().expect("a line of names"),
            lines.next().expect("a line of values"),
        );
        let at = names.iter().position(|found| *found == name);
        values[at.unwrap_or_else(|| panic!("{protocol} has no {name}"))]
            .parse()
            .expect("a number")
    }

    /// Runs `work` inside, on another thread.
    pub(crate) fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                self.enter().expect("root may enter");
                work()
            });
            thread.join().expect("no panic")
        })
    }
}

/// Bytes of an interface name.
const NAME_SIZE: usize = 16;

/// As `struct ifreq` with flags, of 40 bytes.
#[repr(C)]
struct InterfaceFlags {
    name: [u8; NAME_SIZE],
    flags: libc::c_short,
    rest: [u8; 22],
}

const SIOCGIFFLAGS: libc::c_ulong = 0x8913;
const SIOCSIFFLAGS: libc::c_ulong = 0x8914;

fn up(interface: &str) -> io::Result<()> {
    let mut request = InterfaceFlags {
        name: [0; NAME_SIZE],
        flags: 0,
        rest: [0; 22],
    };
    request.name[..interface.len()].copy_from_slice(interface.as_bytes());
    let socket = std::net::UdpSocket::bind("0.0.0.0:0")?;
    let control = |what: libc::c_ulong, request: &mut InterfaceFlags| {
        use std::os::fd::AsRawFd;
        // SAFETY: an open socket, and a request of the kernel's size that outlives the call.
        match unsafe { libc::ioctl(socket.as_raw_fd(), what as _, std::ptr::from_mut(request)) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    };
    control(SIOCGIFFLAGS, &mut request)?;
    request.flags |= libc::IFF_UP as libc::c_short;
    control(SIOCSIFFLAGS, &mut request)
}

#[test]
fn a_network_of_ones_own_has_a_loopback_and_quiet_counters() {
    let _alone = crate::alone();
    let network = Network::create();
    assert_eq!(network.counter("Udp", "OutDatagrams"), 0);
    let sent = network.inside(|| crate::bytes::send_udp(crate::bytes::LOOPBACKS[0], 10));
    assert_eq!(sent, 1_000, "the premise: the device is up");
    assert_eq!(network.counter("Udp", "OutDatagrams"), 10);
    assert_eq!(network.counter("TcpExt", "TCPSynRetrans"), 0);
}
