//! Listening, TLS, connections, and stopping in order.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info, warn};

use crate::aggregation::{Aggregator, FrontProxy};
use crate::api::Api;
use crate::auth::Auth;
use crate::config::Config;
use crate::tls::{Tls, TlsError};
use crate::{bootstrap, expiry, http, kubeconfig};

/// How long open requests may take to end after a stop.
const DRAIN: Duration = Duration::from_secs(3);
/// How long a client may take for its TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Connections served at once; further ones wait in the listen queue.
const MAX_CONNECTIONS: usize = 4_096;

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Only this machine may reach the server.
    #[error(
        "{0} is not a loopback address; the local cluster serves this machine only, so use 127.0.0.1"
    )]
    NotLoopback(SocketAddr),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}; choose another port, or 0 for a free one")]
    Listen {
        /// The requested address.
        address: SocketAddr,
        /// The system's answer.
        source: io::Error,
    },
    /// The kubeconfig cannot be written.
    #[error("cannot write the kubeconfig into {}: {source}; the directory must exist and be writable", directory.display())]
    Kubeconfig {
        /// The directory of the run.
        directory: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// No certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// A server that serves until it is stopped. Dropping it stops it without waiting.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    kubeconfig: PathBuf,
    api: Arc<Api>,
    stopping: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl Running {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it serves.
    pub(crate) fn api(&self) -> &Api {
        &self.api
    }

    /// The kubeconfig that opens it.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Ends watches, lets other requests finish (3 s at most) and returns when all is closed.
    pub async fn stop(mut self) {
        self.stopping.cancel();
        if let Some(task) = self.task.take()
            && let Err(error) = task.await
        {
            warn!(%error, "the server task failed");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stopping.cancel();
    }
}

/// Starts the API server. When this returns, requests are answered and the kubeconfig is there.
///
/// # Errors
/// See [`ServeError`]; nothing is left behind.
pub async fn serve(config: Config) -> Result<Running, ServeError> {
    if !config.address.ip().is_loopback() {
        return Err(ServeError::NotLoopback(config.address));
    }
    let refused = |source| ServeError::Listen {
        address: config.address,
        source,
    };
    let listener = TcpListener::bind(config.address).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    let names = [
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
        address.ip().to_string(),
    ];
    let tls = Tls::generate(&names)?;
    let auth = Auth::generate();
    let stopping = CancellationToken::new();
    let api = Arc::new(Api::new(config.limits, stopping.clone()));
    let front_proxy = FrontProxy::generate()?;
    bootstrap::create_initial_objects(&api, address, &front_proxy.published(&tls.ca_pem));
    let aggregator = Arc::new(Aggregator::new(Arc::clone(&api), front_proxy));
    let kubeconfig =
        kubeconfig::write(&config.directory, address, &tls, &auth).map_err(|source| {
            ServeError::Kubeconfig {
                directory: config.directory.clone(),
                source,
            }
        })?;
    let router = http::router(Arc::clone(&api), Arc::clone(&aggregator), auth);
    let acceptor = TlsAcceptor::from(tls.server);
    let expiring = expiry::run(Arc::clone(&api), config.event_lifetime);
    let token = stopping.clone();
    let task = tokio::spawn(async move {
        let accepting = accept(listener, acceptor, router, token);
        tokio::join!(accepting, expiring, aggregator.watch_availability());
    });
    info!(%address, kubeconfig = %kubeconfig.display(), "serving the Kubernetes API");
    Ok(Running {
        address,
        kubeconfig,
        api,
        stopping,
        task: Some(task),
    })
}

async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    router: Router,
    stopping: CancellationToken,
) {
    let connections = TaskTracker::new();
    let slots = Arc::new(tokio::sync::Semaphore::new(MAX_CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopping.cancelled() => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file descriptors, most likely: give connections time to close.
                warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
            break;
        };
        let (acceptor, router, stopping) = (acceptor.clone(), router.clone(), stopping.clone());
        connections.spawn(async move {
            if let Err(error) = connection(stream, acceptor, router, stopping).await {
                debug!(%error, "connection ended");
            }
            drop(slot);
        });
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(DRAIN, connections.wait())
        .await
        .is_err()
    {
        warn!(
            open = connections.len(),
            "connections did not end in time; dropping them"
        );
    }
}

async fn connection(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    router: Router,
    stopping: CancellationToken,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    // Watch events are small and must not wait for each other.
    stream.set_nodelay(true)?;
    let stream = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await??;
    let service = TowerToHyperService::new(router);
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        result = connection.as_mut() => return Ok(result?),
        () = stopping.cancelled() => {}
    }
    connection.as_mut().graceful_shutdown();
    Ok(connection.await?)
}
