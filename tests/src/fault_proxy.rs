//! A TCP proxy that misbehaves on demand: between the real programs, where the simulation cannot be.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// Bytes moved at a time.
const PIECE: usize = 16 * 1024;

/// How the network is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// Everything passes at once.
    Up,
    /// Every piece takes this long, in each direction.
    Slow(Duration),
    /// Connections stay, new ones are taken, and nothing passes. What is held up is lost.
    HalfOpen,
    /// Connections are closed, and new ones too.
    Cut,
}

/// Listens on a free loopback port and passes on to another one. Stops when dropped.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    network: watch::Sender<Network>,
    accepting: JoinHandle<()>,
}

impl FaultProxy {
    /// A proxy in front of `target`, with the network up.
    ///
    /// # Panics
    /// When no loopback port can be bound.
    pub async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (network, state) = watch::channel(Network::Up);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                // Ends with its connection, or at the next change of the network.
                tokio::spawn(carry(client, target, state.clone()));
            }
        });
        Self {
            address,
            network,
            accepting,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the network for new connections and those that are open.
    pub fn set(&self, network: Network) {
        self.network.send_replace(network);
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.network.send_replace(Network::Cut);
    }
}

async fn carry(client: TcpStream, target: SocketAddr, network: watch::Receiver<Network>) {
    if *network.borrow() == Network::Cut {
        return;
    }
    let Ok(server) = TcpStream::connect(target).await else {
        return;
    };
    // Small messages must not wait for each other, or the network is slow when it is up.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let mut cut = network.clone();
    tokio::select! {
        _ = cut.wait_for(|network| *network == Network::Cut) => {}
        _ = pass(from_client, to_server, network.clone()) => {}
        _ = pass(from_server, to_client, network) => {}
    }
}

async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    network: watch::Receiver<Network>,
) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    let mut dead = false;
    loop {
        let count = from.read(&mut piece).await?;
        if count == 0 {
            return Ok(());
        }
        let now = *network.borrow();
        match now {
            // A hole in the middle of a stream must never be followed by more of it.
            Network::HalfOpen => dead = true,
            Network::Slow(delay) => sleep(delay).await,
            Network::Up | Network::Cut => {}
        }
        if !dead {
            to.write_all(&piece[..count]).await?;
        }
    }
}
