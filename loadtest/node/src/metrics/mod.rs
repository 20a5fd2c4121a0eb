//! The metrics chain in front of a stock autoscaler: what cAdvisor, the kubelet and metrics-server
//! are in other clusters, with their delays.
//!
//! ```text
//!  cgroup files ◀── meter: reads who is due ── containers: who runs here ◀── pod
//!                     │
//!                   chain (pure): cAdvisor's schedule of each container, every 10-20 s
//!                     │           metrics-server's poll of all, every 15 s
//!                   answers: PodMetrics, NodeMetrics
//!                     │
//!                   serve: HTTPS, for the API server's front proxy alone
//!                     ▲
//!                   register: Service and APIService v1beta1.metrics.k8s.io
//! ```

mod answers;
mod chain;
mod containers;
mod meter;
mod register;
mod serve;
mod text;

use std::net::IpAddr;
use std::sync::Arc;

use tokio::task::JoinSet;

pub(crate) use containers::{Containers, MeteredContainer};
pub(crate) use meter::Meter;
pub(crate) use register::Registration;
pub use serve::CertificateError;
pub(crate) use serve::{CONFIG_MAP, NAMESPACE};
use serve::{Server, ServingCertificate};

use crate::error::NodeError;

/// The chain of one node, ready to run.
pub(crate) struct Metrics {
    client: kube::Client,
    meter: Arc<Meter>,
    server: Server,
    registration: Registration,
}

impl Metrics {
    /// Makes the certificate and listens at a free port of `address`; nothing is registered yet.
    ///
    /// # Errors
    /// When the certificate cannot be made or the address is not this machine's.
    pub(crate) async fn start(
        client: &kube::Client,
        address: IpAddr,
        meter: Arc<Meter>,
    ) -> Result<Self, NodeError> {
        let certificate = ServingCertificate::generate(&Registration::host())?;
        let server = Server::bind(address, &certificate).await;
        let server = server.map_err(|source| NodeError::System {
            action: format!("serve metrics at the node's address {address}"),
            source,
        })?;
        let ca_pem = certificate.ca_pem;
        let registration = Registration::new(client, meter.name(), server.address, ca_pem);
        Ok(Self {
            client: client.clone(),
            meter,
            server,
            registration,
        })
    }

    /// Measures, serves and keeps the registration as tasks of `background`; returns what takes
    /// the registration back when these have ended.
    pub(crate) fn run(self, background: &mut JoinSet<()>) -> Arc<Registration> {
        let registration = Arc::new(self.registration);
        let keep = registration.clone();
        background.spawn(self.meter.clone().run());
        background.spawn(self.server.run(self.client, self.meter));
        background.spawn(async move { keep.keep().await });
        registration
    }
}
