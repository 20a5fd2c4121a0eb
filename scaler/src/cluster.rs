//! The way to the API server, and its errors in words that someone can act on.

mod problems;

use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::PartialObjectMeta;
use kube::{Api, Client, Config};
use thiserror::Error;
use tokio::time::{sleep, timeout};
use tracing::warn;

pub(crate) use problems::chain;
use problems::is_untrusted;
pub use problems::{explain, explain_watch, is_expired, is_transient, retry_after, status_code};

/// How long a starting API server is waited for.
const START_PATIENCE: Duration = Duration::from_secs(15);
const RETRY_EVERY: Duration = Duration::from_millis(500);
/// A server that does not take a connection or a request in this time is as good as absent.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
/// A watch is asked for anew this often; both sides' proof that the other one is there. From where
/// it left off, so it costs the API server a request and no list. The client's default is 290 s.
pub const WATCH_SECONDS: u32 = 30;
/// A connection on which nothing came for this long is dead, though nobody closed it: the machine at
/// its other end lost its power, or a firewall forgot it. More than a watch may be silent.
pub const READ_TIMEOUT: Duration = Duration::from_secs(WATCH_SECONDS as u64 + 10);
/// Without these there is no scaling: HorizontalPodAutoscalers, because nothing may be written
/// unless it is known that nobody else writes.
const MUST_BE_READ: [&str; 4] = [
    "deployments",
    "replicasets",
    "pods",
    "horizontalpodautoscalers",
];

/// Why the cluster cannot be used.
#[derive(Debug, Error)]
pub enum ClusterError {
    /// A kubeconfig was named and is unusable.
    #[error("--kubeconfig {}: {problem}", path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Nothing says where the cluster is.
    #[error(
        "no cluster: {problem}; name a kubeconfig with --kubeconfig FILE (or KUBECONFIG), or run in \
         a pod with a service account"
    )]
    NoKubeconfig {
        /// What was tried.
        problem: String,
    },
    /// The server does not answer.
    #[error(
        "API server {url} does not answer: {problem}; is it running, and does the kubeconfig name \
         the right address and CA?"
    )]
    Unreachable {
        /// Its address.
        url: String,
        /// The network's error.
        problem: String,
    },
    /// The server answers, and refuses.
    #[error("API server {url}: {problem}")]
    Refused {
        /// Its address.
        url: String,
        /// What it refuses and what to do.
        problem: String,
    },
}

/// Makes a client and proves that it may read what the scaler reads.
///
/// # Errors
/// When there is no configuration, when the server does not answer within some seconds, and at
/// once when it refuses.
pub async fn connect(kubeconfig: Option<&Path>) -> Result<Client, ClusterError> {
    connect_within(START_PATIENCE, kubeconfig).await
}

/// The same for as long as it takes: for a scaler whose ports are open already, so that `/ready`
/// tells what it waits for while an API server is away.
///
/// # Errors
/// When there is no configuration, and at once when the server refuses.
pub async fn connect_patiently(kubeconfig: Option<&Path>) -> Result<Client, ClusterError> {
    loop {
        match connect_within(START_PATIENCE, kubeconfig).await {
            Err(error @ ClusterError::Unreachable { .. }) => {
                warn!(%error, "waiting for the API server");
            }
            answer => return answer,
        }
    }
}

/// Makes a client, and asks the server for nothing yet.
///
/// # Errors
/// When there is no usable configuration.
pub async fn client(kubeconfig: Option<&Path>) -> Result<Client, ClusterError> {
    client_of(load_config(kubeconfig).await?)
}

fn client_of(config: Config) -> Result<Client, ClusterError> {
    let url = config.cluster_url.to_string();
    Client::try_from(config).map_err(|error| ClusterError::Unreachable {
        url,
        problem: chain(&error),
    })
}

async fn connect_within(
    patience: Duration,
    kubeconfig: Option<&Path>,
) -> Result<Client, ClusterError> {
    let config = load_config(kubeconfig).await?;
    let url = config.cluster_url.to_string();
    let client = client_of(config)?;
    let mut last_problem = None;
    let listing = async {
        for resource in MUST_BE_READ {
            while let Err(error) = try_list(resource, client.clone()).await {
                if !is_transient(&error) || is_untrusted(&error) {
                    return Err(explain("list", resource, &error));
                }
                let problem = chain(&error);
                if last_problem.as_ref() != Some(&problem) {
                    warn!(%url, error = %problem, "API server does not answer yet, retrying");
                    last_problem = Some(problem);
                }
                sleep(RETRY_EVERY).await;
            }
        }
        Ok(())
    };
    // One limit for everything: a server that accepts and says nothing would hold one attempt up
    // for minutes.
    match timeout(patience, listing).await {
        Ok(Ok(())) => Ok(client),
        Ok(Err(problem)) => Err(ClusterError::Refused { url, problem }),
        Err(_) => Err(ClusterError::Unreachable {
            url,
            problem: last_problem.unwrap_or_else(|| format!("silence for {patience:?}")),
        }),
    }
}

/// Makes every request end, and every failure seen.
///
/// kube 5 repeats what was answered with 429, 503 or 504 by itself, up to fifteen times over
/// minutes, below everything that could tell of it: a PATCH would be sent again long after
/// leadership was asked, an outage would look like silence. Here each caller repeats, in its own way:
/// `apply` for some seconds and only while it leads, watches for ever, an election in rounds.
fn harden(config: &mut Config) {
    config.default_retry = false;
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.write_timeout = Some(WRITE_TIMEOUT);
    config.read_timeout = Some(READ_TIMEOUT);
    // Else the time that a pooled connection idled counts as the next answer's.
    config.reset_reader_on_write = true;
}

async fn load_config(kubeconfig: Option<&Path>) -> Result<Config, ClusterError> {
    let mut config = find_config(kubeconfig).await?;
    harden(&mut config);
    Ok(config)
}

async fn find_config(kubeconfig: Option<&Path>) -> Result<Config, ClusterError> {
    let Some(path) = kubeconfig else {
        return Config::infer()
            .await
            .map_err(|error| ClusterError::NoKubeconfig {
                problem: chain(&error),
            });
    };
    let unusable = |error: kube::config::KubeconfigError| ClusterError::Kubeconfig {
        path: path.to_owned(),
        problem: chain(&error),
    };
    let kubeconfig = Kubeconfig::read_from(path).map_err(unusable)?;
    Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .map_err(unusable)
}

async fn try_list(resource: &str, client: Client) -> Result<(), kube::Error> {
    let one = ListParams::default().limit(1);
    match resource {
        "deployments" => Api::<Deployment>::all(client).list(&one).await.map(drop),
        "replicasets" => Api::<PartialObjectMeta<ReplicaSet>>::all(client)
            .list(&one)
            .await
            .map(drop),
        "pods" => Api::<Pod>::all(client).list(&one).await.map(drop),
        _ => Api::<HorizontalPodAutoscaler>::all(client)
            .list(&one)
            .await
            .map(drop),
    }
}

#[cfg(test)]
#[path = "cluster_tests.rs"]
mod tests;
