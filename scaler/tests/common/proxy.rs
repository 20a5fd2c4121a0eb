//! A way to the API server that can be cut.

use std::net::SocketAddr;
use std::path::Path;

use kube::config::Kubeconfig;
use tempfile::NamedTempFile;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What becomes of connections through a [`Proxy`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// They work.
    Open,
    /// New ones are closed at once, and those that there are too.
    Closed,
    /// They are taken, and nothing comes of it, as when the other machine lost its power: half-open.
    Silent,
}

/// Passes connections on to an API server, or not.
pub(crate) struct Proxy {
    kubeconfig: NamedTempFile,
    way: watch::Sender<Way>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// In front of the server that this kubeconfig names.
    pub(crate) async fn start(kubeconfig: &Path, way: Way) -> Self {
        let mut kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
        let cluster = kubeconfig.clusters[0].cluster.as_mut().unwrap();
        let server = cluster.server.clone().unwrap();
        let behind: SocketAddr = server.trim_start_matches("https://").parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        cluster.server = Some(format!("https://{address}"));
        let file = NamedTempFile::new().unwrap();
        serde_json::to_writer(&file, &kubeconfig).unwrap();
        let (way, seen) = watch::channel(way);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, behind, seen.clone()));
            }
        });
        Proxy {
            kubeconfig: file,
            way,
            task,
        }
    }

    /// Names this proxy as the server.
    pub(crate) fn kubeconfig(&self) -> &Path {
        self.kubeconfig.path()
    }

    pub(crate) fn set(&self, way: Way) {
        self.way.send_replace(way);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(mut client: TcpStream, behind: SocketAddr, mut way: watch::Receiver<Way>) {
    let _ = way.wait_for(|way| *way != Way::Silent).await;
    if *way.borrow() == Way::Closed {
        return;
    }
    let Ok(mut server) = TcpStream::connect(behind).await else {
        return;
    };
    let closed = tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => true,
        changed = way.wait_for(|way| *way != Way::Open) => {
            changed.map_or(true, |way| *way == Way::Closed)
        }
    };
    if !closed {
        // Both ends stay, and nothing passes until the way is something else.
        let _ = way.wait_for(|way| *way != Way::Silent).await;
    }
}
