//! The HTTPS server of `metrics.k8s.io`, for the API server's front proxy.
//!
//! ```text
//! connection ─▶ TLS: certificate (proof of the client's key) ─▶ router ─▶ trust: front proxy?
//!                                                                 └─▶ answers of the meter
//! ```

mod certificate;
mod router;
mod trust;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::meter::Meter;
use router::Peer;

pub use certificate::CertificateError;
pub(crate) use certificate::ServingCertificate;
pub(crate) use trust::{CONFIG_MAP, NAMESPACE};

/// Connections at a time; further ones wait in the listen queue. API servers keep a few each.
const MAX_CONNECTIONS: usize = 64;
/// How long a client may take for its TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// How long a client may take to send a request's head, and may be silent between two.
const IDLE: Duration = Duration::from_secs(60);
/// How long a connection lasts, whatever it does; clients open another one.
const MAX_AGE: Duration = Duration::from_secs(600);
/// Wait after the system refused to accept, most often because file descriptors ran out.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// A server that listens; it answers while [`Server::run`] does.
pub(crate) struct Server {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Takes a free port of this address.
    ///
    /// # Errors
    /// When the address is not this machine's.
    pub(crate) async fn bind(
        address: IpAddr,
        certificate: &ServingCertificate,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind((address, 0)).await?;
        Ok(Self {
            address: listener.local_addr()?,
            listener,
            acceptor: TlsAcceptor::from(certificate.server.clone()),
        })
    }

    /// Answers until it is dropped, which closes every connection.
    pub(crate) async fn run(self, client: kube::Client, meter: Arc<Meter>) {
        let (trust, trust_now) = watch::channel(None);
        let router = router::router(meter, trust_now);
        tokio::join!(trust::follow(client, trust), self.accept(router));
    }

    async fn accept(self, router: Router) {
        let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let mut connections = JoinSet::new();
        // A semaphore that nobody closes always gives a slot.
        while let Ok(slot) = slots.clone().acquire_owned().await {
            while connections.try_join_next().is_some() {}
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let (acceptor, router) = (self.acceptor.clone(), router.clone());
                    connections.spawn(async move {
                        if let Err(error) = connection(stream, acceptor, router).await {
                            tracing::debug!(%error, "connection to the metrics server ended");
                        }
                        drop(slot);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the metrics server cannot accept a connection");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                }
            }
        }
    }
}

async fn connection(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    router: Router,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    stream.set_nodelay(true)?;
    let stream = timeout(HANDSHAKE, acceptor.accept(stream)).await??;
    let (_, session) = stream.get_ref();
    let peer = Peer(session.peer_certificates().unwrap_or_default().into());
    let service = TowerToHyperService::new(router.layer(Extension(peer)));
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    if let Ok(ended) = timeout(MAX_AGE, connection.as_mut()).await {
        return Ok(ended?);
    }
    connection.as_mut().graceful_shutdown();
    Ok(timeout(HANDSHAKE, connection).await??)
}
