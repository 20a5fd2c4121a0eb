//! The command lines of scaler and agent.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::local::{NODE_NAME, ProcessSpec, Programs};

/// The command line of the scaler.
pub fn scaler_process(
    programs: &Programs,
    kubeconfig: &Path,
    policies: PathBuf,
    grpc: SocketAddr,
    admin: SocketAddr,
) -> ProcessSpec {
    ProcessSpec {
        name: "scaler",
        program: programs.scaler.clone(),
        args: vec![
            "run".into(),
            "--policies".into(),
            policies.into(),
            "--kubeconfig".into(),
            kubeconfig.into(),
            "--grpc-address".into(),
            grpc.to_string().into(),
            "--admin-address".into(),
            admin.to_string().into(),
        ],
        env: Vec::new(),
    }
}

/// The command line of the node agent.
pub fn agent_process(programs: &Programs, scaler: SocketAddr, admin: SocketAddr) -> ProcessSpec {
    ProcessSpec {
        name: "probe-agent",
        program: programs.probe_agent.clone(),
        args: vec![
            "run".into(),
            "--scaler".into(),
            format!("http://{scaler}").into(),
            "--node-name".into(),
            NODE_NAME.into(),
            "--admin-address".into(),
            admin.to_string().into(),
        ],
        env: Vec::new(),
    }
}

/// Loopback addresses that nobody listens on at this moment.
///
/// # Errors
/// When the loopback device is down.
pub fn free_addresses<const N: usize>() -> Result<[SocketAddr; N]> {
    let mut listeners = Vec::with_capacity(N);
    let mut addresses = [SocketAddr::from(([127, 0, 0, 1], 0)); N];
    for address in &mut addresses {
        let listener = TcpListener::bind(*address).context("cannot bind a loopback port")?;
        *address = listener.local_addr().context("cannot read a bound port")?;
        // All stay open until the last is found, so that they differ.
        listeners.push(listener);
    }
    Ok(addresses)
}
