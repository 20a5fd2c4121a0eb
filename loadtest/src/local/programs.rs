//! The real binaries that the harness starts; they are built and installed side by side.

use std::path::PathBuf;

use anyhow::{Context, Result};

/// Paths of the programs of a run.
#[derive(Debug, Clone)]
pub struct Programs {
    /// This program, which is also the API server and the node.
    pub loadtest: PathBuf,
    /// The node agent.
    pub probe_agent: PathBuf,
    /// The scaler.
    pub scaler: PathBuf,
    /// The program that plays every role of the demo shop.
    pub demo_shop: PathBuf,
}

impl Programs {
    /// The programs beside the running one.
    ///
    /// # Errors
    /// When the path of the running program cannot be read.
    pub fn beside_this_one() -> Result<Self> {
        let loadtest = std::env::current_exe().context("cannot read the path of this program")?;
        Ok(Self {
            probe_agent: loadtest.with_file_name("probe-agent"),
            scaler: loadtest.with_file_name("scaler"),
            demo_shop: loadtest.with_file_name("demo-shop"),
            loadtest,
        })
    }
}
