//! Accepting connections for one service port.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::forward::Backend;

/// Wait after the system refused to accept, most often because file descriptors ran out.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);
/// Refusals that are explained at a time; beyond, connections are just closed.
const MAX_REFUSALS: usize = 64;
/// How long a refused client may take to read why.
const REFUSAL_TIME: Duration = Duration::from_millis(500);
/// What a client beyond the limit is told.
const REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\n\
    x-viperscale-proxy: too many connections\r\ncontent-length: 21\r\n\r\ntoo many connections\n";

/// The connections that all services of a node may have together.
#[derive(Debug, Clone)]
pub(crate) struct Connections {
    slots: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
    refused: Arc<AtomicU64>,
}

impl Connections {
    /// As many connections as `slots` has permits.
    pub(crate) fn new(slots: Arc<Semaphore>) -> Self {
        let refusals = Arc::new(Semaphore::new(MAX_REFUSALS));
        Self {
            slots,
            refusals,
            refused: Arc::default(),
        }
    }

    /// Tells a client that there is no room for it.
    fn refuse(&self, stream: TcpStream) {
        let count = self.refused.fetch_add(1, Ordering::Relaxed) + 1;
        // Each doubling is logged, not each refusal.
        if count.is_power_of_two() {
            tracing::warn!(
                refused = count,
                "connections refused: the proxy's limit is reached"
            );
        }
        if let Ok(permit) = self.refusals.clone().try_acquire_owned() {
            tokio::spawn(tokio::time::timeout(REFUSAL_TIME, explain(stream, permit)));
        }
    }
}

async fn explain(mut stream: TcpStream, _permit: OwnedSemaphorePermit) -> std::io::Result<()> {
    stream.write_all(REFUSAL).await?;
    stream.shutdown().await?;
    // Closing with unread bytes would reset the connection before the client has read the answer.
    let mut scratch = [0; 1024];
    while stream.read(&mut scratch).await? > 0 {}
    Ok(())
}

/// Serves connections until `stop`; then closes the listener, and connections after the request that
/// is under way on them.
pub(crate) async fn serve(
    listener: TcpListener,
    backend: Arc<Backend>,
    connections: Connections,
    stop: CancellationToken,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        match accepted {
            Ok((stream, _)) => match connections.slots.clone().try_acquire_owned() {
                Ok(permit) => {
                    tokio::spawn(connection(stream, backend.clone(), stop.clone(), permit));
                }
                Err(_) => connections.refuse(stream),
            },
            Err(error) => {
                tracing::warn!(%error, "accepting a connection failed");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

async fn connection(
    stream: TcpStream,
    backend: Arc<Backend>,
    stop: CancellationToken,
    _permit: OwnedSemaphorePermit,
) {
    // Fails only on a socket that is gone already, which serving finds out as well.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        let backend = &backend;
        async move { Ok::<_, Infallible>(backend.forward(request).await) }
    });
    let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::pin!(served);
    let result = tokio::select! {
        result = served.as_mut() => result,
        () = stop.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = result {
        tracing::trace!(%error, "connection ended early");
    }
}
