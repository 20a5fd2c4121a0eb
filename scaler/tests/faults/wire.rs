//! Connections between agents and scalers, which can be cut and held up.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tonic::transport::server::Connected;

use crate::oracle::About;
use crate::world::World;

/// Bytes that are under way in one direction.
const BUFFER: usize = 64 * 1024;

/// The state of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Flows,
    /// Nothing moves, and nobody is told.
    Stalled,
    Cut,
}

/// What both ends of a connection share.
pub(crate) struct Link {
    pub(crate) node: usize,
    pub(crate) scaler: usize,
    world: Weak<World>,
    state: Mutex<State>,
    /// Reports that were put into it and have not been read yet: what they are about, and their age.
    sent: Mutex<Vec<(About, Duration)>>,
    /// Reading and writing, of the agent's end and of the scaler's.
    wakers: [[AtomicWaker; 2]; 2],
}

/// One end of a connection.
pub(crate) struct Wire {
    io: DuplexStream,
    link: Arc<Link>,
    /// 0: the agent's, 1: the scaler's.
    end: usize,
}

/// A connection: the agent's end, the scaler's end.
pub(crate) fn connect(world: &Arc<World>, node: usize, scaler: usize) -> (Wire, Wire, Arc<Link>) {
    let link = Arc::new(Link {
        node,
        scaler,
        world: Arc::downgrade(world),
        state: Mutex::new(State::Flows),
        sent: Mutex::default(),
        wakers: Default::default(),
    });
    let (agent, server) = tokio::io::duplex(BUFFER);
    let wire = |io, end| Wire {
        io,
        link: link.clone(),
        end,
    };
    (wire(agent, 0), wire(server, 1), link.clone())
}

impl Link {
    /// A connection that was cut stays cut.
    pub(crate) fn set(&self, state: State) {
        let mut now = self.state.lock().unwrap();
        if *now != State::Cut && *now != state {
            *now = state;
            drop(now);
            self.wakers.iter().flatten().for_each(AtomicWaker::wake);
        }
    }

    /// A report is on its way.
    pub(crate) fn sent(&self, about: About, age: Duration) {
        self.sent.lock().unwrap().push((about, age));
    }

    /// What was under way has been read.
    fn delivered(&self) {
        let sent = std::mem::take(&mut *self.sent.lock().unwrap());
        if let Some(world) = self.world.upgrade() {
            for (about, age) in sent {
                world.heard(self.scaler, about, age);
            }
        }
    }
}

impl Wire {
    /// Whether bytes may move in `direction` (0: reading, 1: writing) now; else there is a wake-up.
    fn open(&self, direction: usize, context: &Context<'_>) -> Poll<io::Result<()>> {
        self.link.wakers[self.end][direction].register(context.waker());
        match *self.link.state.lock().unwrap() {
            State::Flows => Poll::Ready(Ok(())),
            State::Stalled => Poll::Pending,
            State::Cut => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        std::task::ready!(self.open(0, context))?;
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.io).poll_read(context, buffer);
        if self.end == 1 && buffer.filled().len() > before {
            self.link.delivered();
        }
        read
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        std::task::ready!(self.open(1, context))?;
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

impl Connected for Wire {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}
