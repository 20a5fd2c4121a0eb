//! One attempt of a probe against a running container.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request};
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::net::TcpStream;

use super::spec::Action;
use crate::cgroup::{CgroupError, Group};
use crate::env::CommandLine;
use crate::process::{Launch, Output, SpawnError, Spawner};

/// The container a probe asks.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// The pod's address.
    pub address: IpAddr,
    /// The run's cgroup; exec probes run inside.
    pub group: Group,
    /// The run's environment and directory; exec probes share them.
    pub command: CommandLine,
    /// Starts exec probes.
    pub spawner: Spawner,
}

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProbeFailure {
    /// No answer in time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The connection was refused or broke.
    #[error("cannot connect to {host}:{port}: {source}")]
    Connect {
        /// Host that was asked.
        host: String,
        /// Port that was asked.
        port: u16,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The answer was not HTTP.
    #[error("HTTP exchange failed: {0}")]
    Http(#[from] hyper::Error),
    /// The request could not be formed from the probe's path and headers.
    #[error("the probe's path or headers are not valid HTTP: {0}")]
    Request(#[from] http::Error),
    /// An answer outside 200..=399.
    #[error("HTTP status {0}")]
    Status(http::StatusCode),
    /// The program said no.
    #[error("the probe's program ended with {0}")]
    Exit(std::process::ExitStatus),
    /// The program could not be started.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// The container is gone.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    /// The program's end could not be learned.
    #[error("cannot wait for the probe's program: {0}")]
    Wait(#[from] std::io::Error),
    /// The node does not do this kind.
    #[error("{0}")]
    Unsupported(String),
}

impl Target {
    /// One attempt, at most `timeout` long.
    ///
    /// # Errors
    /// Anything but a success within the time.
    pub(crate) async fn check(
        &self,
        action: &Action,
        timeout: Duration,
    ) -> Result<(), ProbeFailure> {
        tokio::time::timeout(timeout, self.attempt(action))
            .await
            .unwrap_or(Err(ProbeFailure::Timeout(timeout)))
    }

    async fn attempt(&self, action: &Action) -> Result<(), ProbeFailure> {
        match action {
            Action::Http {
                host,
                port,
                path,
                headers,
            } => {
                let stream = self.connect(host.as_deref(), *port).await?;
                let host = host.clone().unwrap_or_else(|| self.address.to_string());
                get(stream, &format!("{host}:{port}"), path, headers).await
            }
            Action::Tcp { host, port } => self.connect(host.as_deref(), *port).await.map(drop),
            Action::Exec(words) => self.exec(words).await,
            Action::Unsupported(reason) => Err(ProbeFailure::Unsupported(reason.clone())),
        }
    }

    async fn connect(&self, host: Option<&str>, port: u16) -> Result<TcpStream, ProbeFailure> {
        let host = host.map_or_else(|| self.address.to_string(), str::to_owned);
        match TcpStream::connect((host.as_str(), port)).await {
            Ok(stream) => Ok(stream),
            Err(source) => Err(ProbeFailure::Connect { host, port, source }),
        }
    }

    async fn exec(&self, words: &[String]) -> Result<(), ProbeFailure> {
        let Some((program, arguments)) = words.split_first() else {
            return Err(ProbeFailure::Unsupported(
                "the exec probe has no command".to_owned(),
            ));
        };
        let launch = Launch {
            program: program.clone(),
            arguments: arguments.to_vec(),
            environment: self.command.environment.clone(),
            working_directory: self.command.working_directory.clone(),
            entrances: self.group.entrances()?,
            output: Output::Discard,
        };
        let mut child = self.spawner.spawn(launch).await?;
        let _children = GroupKiller(child.id());
        let status = child.wait().await?;
        if status.success() {
            Ok(())
        } else {
            Err(ProbeFailure::Exit(status))
        }
    }
}

/// Kills a probe's process group when the attempt ends or is given up.
struct GroupKiller(Option<u32>);

impl Drop for GroupKiller {
    fn drop(&mut self) {
        if let Some(pid) = self.0.and_then(|pid| i32::try_from(pid).ok()) {
            // ESRCH is the usual answer: the program and its children have ended.
            let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

async fn get(
    stream: TcpStream,
    authority: &str,
    path: &str,
    headers: &[(String, String)],
) -> Result<(), ProbeFailure> {
    let mut request = Request::get(path)
        .header(http::header::HOST, authority)
        .header(http::header::USER_AGENT, "kube-probe/viperscale")
        .header(http::header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())?;
    for (name, value) in headers {
        let name: HeaderName = name.parse().map_err(http::Error::from)?;
        let value: HeaderValue = value.parse().map_err(http::Error::from)?;
        request.headers_mut().insert(name, value);
    }
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let exchange = sender.send_request(request);
    let response = tokio::select! {
        // The connection makes progress only while it is polled; it cannot end well before the answer.
        response = exchange => response?,
        Err(error) = connection => return Err(error.into()),
    };
    let status = response.status();
    if (200..400).contains(&status.as_u16()) {
        Ok(())
    } else {
        Err(ProbeFailure::Status(status))
    }
}
