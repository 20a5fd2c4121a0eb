//! One endpoint: its connections, and how many requests it has under way.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::body::UpstreamBody;

/// Idle connections kept per endpoint; further ones are closed when their request ends.
const MAX_IDLE: usize = 64;
/// An idle connection older than this is not used again: servers close theirs at some time, and a
/// request sent into that moment is lost.
const MAX_IDLE_TIME: Duration = Duration::from_secs(30);
/// How long a connection may take to be usable again after its response has ended.
const SETTLE: Duration = Duration::from_secs(5);
/// The kernel's own limit is minutes; a pod on the same machine answers at once or is gone.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// A request that got no answer.
#[derive(Debug)]
pub(super) struct SendFailure {
    /// What happened.
    pub(super) error: UpstreamError,
    /// The request, if nothing of it was sent: it may be tried again, whatever it does.
    pub(super) unsent: Option<Request<Incoming>>,
}

/// What can go wrong with an endpoint.
#[derive(Debug, thiserror::Error)]
pub(super) enum UpstreamError {
    #[error("cannot connect to {address}: {source}")]
    Connect {
        address: SocketAddr,
        source: std::io::Error,
    },
    #[error("exchange with {address} failed: {source}")]
    Exchange {
        address: SocketAddr,
        source: hyper::Error,
    },
}

/// One ready pod and port.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) address: SocketAddr,
    outstanding: AtomicUsize,
    /// No longer part of the service: connections are closed as their requests end.
    retired: AtomicBool,
    /// Last in, first out, so that superfluous connections grow old.
    idle: Mutex<Vec<Idle>>,
}

#[derive(Debug)]
struct Idle {
    sender: SendRequest<Incoming>,
    since: Instant,
}

impl Endpoint {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            outstanding: AtomicUsize::new(0),
            retired: AtomicBool::new(false),
            idle: Mutex::default(),
        }
    }

    pub(super) fn outstanding(&self) -> usize {
        self.outstanding.load(Ordering::Relaxed)
    }

    /// The endpoint receives no new requests: idle connections close now, busy ones when done.
    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
        self.lock().clear();
    }

    /// Sends a request and waits for the head of the response. `fresh` forgoes idle connections.
    pub(super) async fn send(
        self: &Arc<Self>,
        request: Request<Incoming>,
        fresh: bool,
    ) -> Result<Response<UpstreamBody>, SendFailure> {
        let in_flight = InFlight::begin(self);
        let idle = if fresh { None } else { self.take_idle() };
        let mut sender = match idle {
            Some(sender) => sender,
            None => match self.connect().await {
                Ok(sender) => sender,
                Err(error) => {
                    return Err(SendFailure {
                        error,
                        unsent: Some(request),
                    });
                }
            },
        };
        match sender.try_send_request(request).await {
            Ok(response) => Ok(response.map(|body| UpstreamBody::new(body, in_flight, sender))),
            Err(mut failure) => {
                let unsent = failure.take_message();
                let error = self.exchange_error(failure.into_error());
                Err(SendFailure { error, unsent })
            }
        }
    }

    fn take_idle(&self) -> Option<SendRequest<Incoming>> {
        let mut idle = self.lock();
        while let Some(candidate) = idle.pop() {
            if candidate.sender.is_ready() && candidate.since.elapsed() < MAX_IDLE_TIME {
                return Some(candidate.sender);
            }
        }
        None
    }

    /// Takes a connection back whose response has ended.
    fn give_back(self: &Arc<Self>, mut sender: SendRequest<Incoming>) {
        if sender.is_closed() {
            return;
        }
        if sender.is_ready() {
            return self.keep(sender);
        }
        // The request's body may still be on its way out.
        let endpoint = self.clone();
        tokio::spawn(async move {
            if let Ok(Ok(())) = tokio::time::timeout(SETTLE, sender.ready()).await {
                endpoint.keep(sender);
            }
        });
    }

    fn keep(&self, sender: SendRequest<Incoming>) {
        let mut idle = self.lock();
        // Read under the lock: `retire` sets it before it clears the list.
        if !self.retired.load(Ordering::Acquire) && idle.len() < MAX_IDLE {
            idle.push(Idle {
                sender,
                since: Instant::now(),
            });
        }
    }

    async fn connect(&self) -> Result<SendRequest<Incoming>, UpstreamError> {
        let address = self.address;
        let failed = |source| UpstreamError::Connect { address, source };
        let stream = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address))
            .await
            .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
            .map_err(failed)?;
        // Responses are written in one go; waiting for more to send only adds latency.
        stream.set_nodelay(true).map_err(failed)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|source| self.exchange_error(source))?;
        // Ends when the sender is dropped or the other side closes; errors reach the request.
        tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(sender)
    }

    fn exchange_error(&self, source: hyper::Error) -> UpstreamError {
        UpstreamError::Exchange {
            address: self.address,
            source,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Idle>> {
        // Pushing and popping leaves the list valid even if a holder panics.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request under way; counted until dropped.
#[derive(Debug)]
pub(super) struct InFlight {
    endpoint: Arc<Endpoint>,
}

impl InFlight {
    fn begin(endpoint: &Arc<Endpoint>) -> Self {
        endpoint.outstanding.fetch_add(1, Ordering::Relaxed);
        Self {
            endpoint: endpoint.clone(),
        }
    }

    /// The response has been read to its end: the connection can serve again.
    pub(super) fn give_back(&self, sender: SendRequest<Incoming>) {
        self.endpoint.give_back(sender);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.endpoint.outstanding.fetch_sub(1, Ordering::Relaxed);
    }
}
