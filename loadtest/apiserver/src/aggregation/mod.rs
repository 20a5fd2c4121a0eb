//! API groups that other servers serve, as kube-apiserver's aggregation layer does.
//!
//! ```text
//! /apis/G/V/... ─▶ registration (APIService "V.G") ─▶ endpoint (where its Service leads)
//!                    │          ▲                         │
//!                    ▼          │ status                  ▼
//!                discovery   availability ──▶ connection (TLS, front-proxy certificate) ─▶ extension
//!                                                         ▲                                 server
//!                                   proxy (headers, bodies, limits)
//! ```
//!
//! Extension servers know us by the client certificate of [`FrontProxy`], whose authority is
//! published in ConfigMap `kube-system/extension-apiserver-authentication`, and believe what we
//! say about the caller in `X-Remote-User` and `X-Remote-Group`. Callers' own credentials never
//! leave this server.

mod availability;
mod connection;
mod endpoint;
mod front_proxy;
mod proxy;
mod registration;
mod unreachable;

pub(crate) use front_proxy::FrontProxy;
pub(crate) use proxy::intercept;
pub(crate) use registration::{Registration, check_ca_bundle};

use std::sync::Arc;

use tokio::sync::{Notify, Semaphore};

use crate::api::Api;

/// Exchanges with extension servers at once, watches included. Further ones are refused with
/// `429 TooManyRequests`, which clients retry.
const MAX_EXCHANGES: usize = 256;

/// What proxying and the availability checks share.
#[derive(Debug)]
pub(crate) struct Aggregator {
    api: Arc<Api>,
    front_proxy: FrontProxy,
    exchanges: Arc<Semaphore>,
    /// Asks for an availability check now.
    check: Notify,
}

impl Aggregator {
    /// Proxies with this identity for what is registered in `api`.
    pub(crate) fn new(api: Arc<Api>, front_proxy: FrontProxy) -> Self {
        Self {
            api,
            front_proxy,
            exchanges: Arc::new(Semaphore::new(MAX_EXCHANGES)),
            check: Notify::new(),
        }
    }
}
