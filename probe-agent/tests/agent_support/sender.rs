//! A process in a container that sends a known number of bytes.

use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};

use super::cgroups::Container;

/// Bytes of each datagram.
const SIZE: u64 = 100;

/// A shell that sends datagrams in bursts, as many as it was told to; killed when dropped.
#[derive(Debug)]
pub struct Sender {
    child: Child,
    bytes: u64,
    /// Keeps the port open, so that no send is answered with an error. Nobody reads.
    _sink: UdpSocket,
}

impl Sender {
    /// Begins to send `bursts` of `each` datagrams, `pause` seconds apart, from inside `container`.
    pub fn start(container: &Container, bursts: u64, each: u64, pause: f64) -> Self {
        let sink = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let port = sink.local_addr().expect("bound").port();
        // The socket is opened by the shell itself, after it has moved. Every `printf` is one send:
        // the shell writes what it prints when the command ends.
        let script = format!(
            "{enter} exec 3<>/dev/udp/127.0.0.1/{port}; \
             for ((i = 0; i < {bursts}; i++)); do \
                 for ((j = 0; j < {each}; j++)); do printf %0{SIZE}d 0 >&3 || exit 1; done; \
                 read -t {pause} -u 0; \
             done; exec sleep 1000",
            enter = container.entering(),
        );
        let child = Command::new("bash")
            .args(["-c", &script])
            // Nothing ever comes: reading from it is a pause without another process.
            .stdin(Stdio::piped())
            .spawn()
            .expect("bash");
        Self {
            child,
            bytes: bursts * each * SIZE,
            _sink: sink,
        }
    }

    /// What it will have sent in the end.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether it has failed.
    pub fn failed(&mut self) -> bool {
        self.child.try_wait().expect("a child of ours").is_some()
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
