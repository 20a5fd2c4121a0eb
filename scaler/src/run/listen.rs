//! The ports, and why a scaler does not start.

use std::net::SocketAddr;

use thiserror::Error;
use tokio::net::{TcpListener, TcpSocket};

use crate::recording::RecordError;

/// Connections that may wait to be accepted: all agents of a large cluster, after they lost us at one
/// moment. The kernel takes less where net.core.somaxconn is lower (4096 by default); what it turns
/// away comes back after a second.
const BACKLOG: u32 = 16_384;

/// Why the scaler does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error(
        "{option} {address}: {source}; stop what listens there, or name another address with {option} \
         (or {variable})"
    )]
    Listen {
        /// The option that names the address.
        option: &'static str,
        /// The environment variable that names it too.
        variable: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// A recording was asked for and cannot be made.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// Listens on `address`, which `option` or `variable` names; returns what it was bound to.
pub(super) fn listen(
    option: &'static str,
    variable: &'static str,
    address: SocketAddr,
) -> Result<(TcpListener, SocketAddr), StartError> {
    let error = |source| StartError::Listen {
        option,
        variable,
        address,
        source,
    };
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }
    .map_err(error)?;
    // As `TcpListener::bind` does: connections that linger must not keep a restart from listening.
    socket.set_reuseaddr(true).map_err(error)?;
    socket.bind(address).map_err(error)?;
    let listener = socket.listen(BACKLOG).map_err(error)?;
    let bound = listener.local_addr().map_err(error)?;
    Ok((listener, bound))
}
