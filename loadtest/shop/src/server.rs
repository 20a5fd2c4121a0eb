//! Listening, admission, and a stop that loses no request.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Semaphore, oneshot};

use crate::handlers;
use crate::settings::Settings;
use crate::shop::Shop;

/// Connections that the kernel keeps for us until we accept them; more are not completed.
const BACKLOG: u32 = 256;

/// Open connections; the next one waits in the backlog until one closes.
const MAX_CONNECTIONS: usize = 1024;

/// How long an idle connection is kept, longer than any of our clients keeps it.
const IDLE_TIMEOUT: Duration = Duration::from_secs(120);

/// How long requests in flight may take to end after the stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a role stopped before its time, or never began.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is taken, not ours, or needs a privilege.
    #[error("cannot listen on {address}: {source}{}", hint(source))]
    Listen {
        /// Where it was to listen.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// No signal handlers: the process would not stop cleanly.
    #[error("cannot handle signals: {0}")]
    Signals(io::Error),
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => " (stop the program that has it, or set PORT to another)",
        io::ErrorKind::AddrNotAvailable => " (POD_IP must be an address of this machine)",
        io::ErrorKind::PermissionDenied => " (ports below 1024 need privileges: set PORT)",
        _ => "",
    }
}

/// Serves until SIGTERM or SIGINT, then lets requests in flight end. A second signal ends it at once.
///
/// # Errors
/// When it cannot listen.
pub async fn run(settings: Settings) -> Result<(), ServeError> {
    let mut signals = Signals::install().map_err(ServeError::Signals)?;
    let listener = listen(settings.listen).map_err(|source| ServeError::Listen {
        address: settings.listen,
        source,
    })?;
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = serve(listener, &settings, async {
        let _ = stopped.await;
    });
    tokio::pin!(serving);
    tokio::select! {
        () = &mut serving => return Ok(()),
        () = signals.next() => {}
    }
    let _ = stop.send(());
    tokio::select! {
        () = &mut serving => {}
        () = signals.next() => tracing::warn!("second signal: not waiting for requests in flight"),
    }
    Ok(())
}

/// Plays the role on `listener` until `stop` is done, then for the settings' linger time, then until the requests in
/// flight have ended.
pub async fn serve(listener: TcpListener, settings: &Settings, stop: impl Future<Output = ()>) {
    let address = listener.local_addr().unwrap_or(settings.listen);
    tracing::info!(role = %settings.role, %address, work = ?settings.work, "listening");
    let open = GracefulShutdown::new();
    let router = router(Arc::new(Shop::new(settings)));
    let stop = async {
        stop.await;
        tokio::time::sleep(settings.linger).await;
    };
    tokio::select! {
        () = accept(&listener, &router, &open) => {}
        () = stop => {}
    }
    drop(listener);
    tracing::info!(role = %settings.role, "stopping");
    if tokio::time::timeout(DRAIN_TIMEOUT, open.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("gave up on requests in flight");
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn accept(listener: &TcpListener, router: &Router, open: &GracefulShutdown) {
    let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&connections).acquire_owned().await else {
            return;
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            // Out of file descriptors, or the peer has gone already: neither ends the service.
            Err(error) => {
                tracing::warn!(%error, "cannot accept");
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
        };
        let connection = open.watch(connection(stream, router.clone()));
        tokio::spawn(async move {
            // A client that goes away is no event of ours.
            let _ = connection.await;
            drop(permit);
        });
    }
}

fn connection(
    stream: TcpStream,
    router: Router,
) -> http1::Connection<TokioIo<TcpStream>, TowerToHyperService<Router>> {
    // Only latency is lost when the option is refused.
    let _ = stream.set_nodelay(true);
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE_TIMEOUT)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
}

fn router(shop: Arc<Shop>) -> Router {
    handlers::routes(shop.role)
        .route_layer(from_fn_with_state(Arc::clone(&shop), admit))
        // These two are no work: they answer under any load, and count as nothing.
        .route("/_healthz", get(async || "ok\n"))
        .route(
            "/_stats",
            get(async |State(shop): State<Arc<Shop>>| Json(shop.counters.snapshot())),
        )
        .with_state(shop)
}

/// Lets a request in, or refuses it at once when too many are in flight.
async fn admit(
    State(shop): State<Arc<Shop>>,
    path: MatchedPath,
    request: Request,
    next: Next,
) -> Response {
    let Ok(_permit) = shop.in_flight.try_acquire() else {
        shop.counters.refused();
        return (
            StatusCode::SERVICE_UNAVAILABLE,
            "too many requests in flight\n",
        )
            .into_response();
    };
    shop.counters
        .admitted(format!("{} {}", request.method(), path.as_str()));
    next.run(request).await
}

/// The signals that stop a service.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn install() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
