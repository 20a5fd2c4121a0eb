//! One request to an extension server, over a connection of its own.
//!
//! Extension servers are asked a few times a minute. A connection per request costs a millisecond
//! and spares a pool that would have to follow every change of endpoints and certificates.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::Aggregator;
use super::endpoint::{Address, resolve};
use super::registration::Backend;
use super::unreachable::Unreachable;

/// How long TCP and TLS may take together.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

type Stream = TokioIo<TlsStream<TcpStream>>;

impl Aggregator {
    /// Sends `request` (its URI in origin form, its headers as they shall arrive) and returns the
    /// answer's head; the body follows as it comes. After `limit` the exchange is broken off,
    /// wherever it is.
    pub(super) async fn exchange(
        &self,
        backend: &Backend,
        request: Request<Body>,
        limit: Duration,
    ) -> Result<Response<Incoming>, Unreachable> {
        let slot = Arc::clone(&self.exchanges)
            .try_acquire_owned()
            .map_err(|_| Unreachable::Busy(super::MAX_EXCHANGES))?;
        let address = resolve(&self.api.store, &backend.service)?;
        let deadline = Instant::now() + limit;
        let (mut sender, connection) = self.connect(backend, &address).await?;
        let stopping = self.api.stopping.clone();
        tokio::spawn(async move {
            drive(connection, deadline, stopping).await;
            drop(slot);
        });
        match timeout_at(deadline, sender.send_request(request)).await {
            Err(_) => Err(Unreachable::AnswerTimeout {
                address: address.to_string(),
                limit,
            }),
            Ok(answer) => answer.map_err(|source| Unreachable::Http {
                address: address.to_string(),
                source,
            }),
        }
    }

    async fn connect(
        &self,
        backend: &Backend,
        address: &Address,
    ) -> Result<(SendRequest<Body>, Connection<Stream, Body>), Unreachable> {
        let tls = self.front_proxy.tls(&backend.trust)?;
        let host = backend.service.host();
        let name =
            ServerName::try_from(host.clone()).map_err(|_| Unreachable::HostName(host.clone()))?;
        let connecting = async {
            let stream = TcpStream::connect((address.host.as_str(), address.port))
                .await
                .and_then(|stream| stream.set_nodelay(true).map(|()| stream))
                .map_err(|source| Unreachable::Connect {
                    address: address.to_string(),
                    source,
                })?;
            TlsConnector::from(Arc::new(tls))
                .connect(name, stream)
                .await
                .map_err(|source| Unreachable::Tls {
                    address: address.to_string(),
                    host,
                    source,
                })
        };
        let stream = timeout(CONNECT_LIMIT, connecting).await.map_err(|_| {
            Unreachable::ConnectTimeout {
                address: address.to_string(),
                limit: CONNECT_LIMIT,
            }
        })??;
        http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|source| Unreachable::Http {
                address: address.to_string(),
                source,
            })
    }
}

/// Moves the bytes of one exchange until it is complete, nobody wants it any more, its time is
/// over or the server stops.
async fn drive(
    connection: Connection<Stream, Body>,
    deadline: Instant,
    stopping: CancellationToken,
) {
    tokio::select! {
        ended = connection => if let Err(error) = ended {
            debug!(%error, "connection to an extension server ended");
        },
        () = tokio::time::sleep_until(deadline) => debug!("exchange with an extension server took too long"),
        () = stopping.cancelled() => {}
    }
}
