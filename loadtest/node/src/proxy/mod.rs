//! The service proxy: listens on every Service's address and spreads HTTP/1.1 requests, one by one,
//! over the ready endpoints.
//!
//! ```text
//! Services + EndpointSlices ─▶ routes (pure) ─▶ frontends: one listener per clusterIP:port
//!      request ─▶ headers (pure) ─▶ balance (pure): two random endpoints, the less busy one
//!              ─▶ endpoint: pooled connection ─▶ response, streamed back
//! ```
//!
//! Per request and not per connection, because clients keep connections alive: a pod that was just
//! added would otherwise see no load. No deadline and no retry is added that would hide what an
//! application does, except that a request of which nothing was sent is sent once more.

mod balance;
mod body;
mod endpoint;
mod forward;
mod frontend;
mod headers;
mod routes;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::runtime::reflector::Store;
use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;

use crate::address::Cidr;

pub(crate) use forward::Backend;
pub(crate) use frontend::{Connections, serve};

/// How often a port that could not be opened is tried again.
const BIND_RETRY: Duration = Duration::from_secs(1);

/// The proxy of one node.
pub(crate) struct ServiceProxy {
    services: Store<Service>,
    slices: Store<EndpointSlice>,
    /// Told whenever one of the two stores changes.
    changed: Arc<Notify>,
    /// Addresses that receive new requests, for pods that wait to be no longer among them.
    routed: watch::Sender<BTreeSet<IpAddr>>,
    connections: Connections,
    frontends: HashMap<SocketAddr, Frontend>,
    /// Addresses outside 127.0.0.0/8 that are this machine's.
    serves: Option<Cidr>,
    /// Services whose address this node cannot listen on, to log each once.
    skipped: HashSet<String>,
}

struct Frontend {
    backend: Arc<Backend>,
    stop: CancellationToken,
}

impl Drop for Frontend {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl ServiceProxy {
    /// A proxy that accepts at most `max_connections` connections at a time, over all services; those
    /// with addresses in 127.0.0.0/8 and in `serves`.
    pub(crate) fn new(
        services: Store<Service>,
        slices: Store<EndpointSlice>,
        changed: Arc<Notify>,
        routed: watch::Sender<BTreeSet<IpAddr>>,
        max_connections: usize,
        serves: Option<Cidr>,
    ) -> Self {
        Self {
            services,
            slices,
            changed,
            routed,
            connections: Connections::new(Arc::new(Semaphore::new(max_connections))),
            frontends: HashMap::new(),
            serves,
            skipped: HashSet::new(),
        }
    }

    /// Follows services and endpoints, whose stores are filled, until `stop`. Requests under way then
    /// may still finish on their own tasks; no new ones are taken.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        loop {
            let complete = self.reconcile().await;
            let retry = async {
                if complete {
                    std::future::pending::<()>().await;
                }
                tokio::time::sleep(BIND_RETRY).await;
            };
            tokio::select! {
                () = self.changed.notified() => {}
                () = retry => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Makes listeners and endpoints what the stores say. False when a port could not be opened.
    async fn reconcile(&mut self) -> bool {
        let (services, slices) = (self.services.state(), self.slices.state());
        let wanted = routes::routes(&services, &slices, self.serves);
        self.log_skipped(wanted.skipped);
        self.frontends
            .retain(|address, _| wanted.routes.contains_key(address));
        let mut complete = true;
        let mut routed = BTreeSet::new();
        for (address, route) in wanted.routes {
            routed.extend(route.endpoints.iter().map(SocketAddr::ip));
            if !self.frontends.contains_key(&address) {
                match self.open(address, &route.service).await {
                    Ok(frontend) => {
                        self.frontends.insert(address, frontend);
                    }
                    Err(error) => {
                        tracing::warn!(%address, service = route.service, %error, "cannot listen, trying again");
                        complete = false;
                    }
                }
            }
            if let Some(frontend) = self.frontends.get(&address) {
                frontend.backend.set_endpoints(&route.endpoints);
            }
        }
        self.routed.send_if_modified(|old| {
            let changed = *old != routed;
            *old = routed;
            changed
        });
        complete
    }

    async fn open(&self, address: SocketAddr, service: &str) -> std::io::Result<Frontend> {
        let listener = tokio::net::TcpListener::bind(address).await?;
        tracing::info!(%address, service, "service opened");
        let backend = Arc::new(Backend::new(service));
        let stop = CancellationToken::new();
        tokio::spawn(serve(
            listener,
            backend.clone(),
            self.connections.clone(),
            stop.clone(),
        ));
        Ok(Frontend { backend, stop })
    }

    fn log_skipped(&mut self, skipped: BTreeMap<String, String>) {
        self.skipped.retain(|service| skipped.contains_key(service));
        for (service, address) in skipped {
            if self.skipped.insert(service.clone()) {
                tracing::info!(
                    service,
                    address,
                    "service skipped: its address is not served here"
                );
            }
        }
    }
}
