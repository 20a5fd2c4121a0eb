//! The kubeconfig: how clients find, trust and open the server.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::auth::Auth;
use crate::tls::Tls;

/// Cluster, user and context are all called this.
const NAME: &str = "viperscale-local";

/// Writes `kubeconfig` into the directory: mode 0600, and complete or not at all, so that whoever
/// waits for the file to appear can use it at once.
pub(crate) fn write(
    directory: &Path,
    address: SocketAddr,
    tls: &Tls,
    auth: &Auth,
) -> io::Result<PathBuf> {
    let content = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": NAME, "cluster": {
            "server": format!("https://{address}"),
            "certificate-authority-data": STANDARD.encode(&tls.ca_pem),
        }}],
        "users": [{"name": NAME, "user": {"token": auth.token()}}],
        "contexts": [{"name": NAME, "context": {
            "cluster": NAME, "user": NAME, "namespace": "default",
        }}],
        "current-context": NAME,
    });
    let text = serde_yaml::to_string(&content).map_err(io::Error::other)?;
    let path = directory.join("kubeconfig");
    let temporary = directory.join(format!(".kubeconfig.{}", std::process::id()));
    let written =
        write_private(&temporary, text.as_bytes()).and_then(|()| fs::rename(&temporary, &path));
    if let Err(error) = written {
        // The error that matters is the first one.
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    Ok(path)
}

fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    // A leftover of a killed run may have another mode.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file: File = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(content)?;
    file.sync_all()
}
