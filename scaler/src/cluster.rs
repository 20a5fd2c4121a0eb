//! The way to the API server, and its errors in words that someone can act on.

use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::PartialObjectMeta;
use kube::runtime::watcher;
use kube::{Api, Client, Config};
use thiserror::Error;
use tokio::time::{sleep, timeout};
use tracing::warn;

use crate::workloads::Resource;

/// How long a starting API server is waited for.
const START_PATIENCE: Duration = Duration::from_secs(15);
const RETRY_EVERY: Duration = Duration::from_millis(500);

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

async fn connect_within(
    patience: Duration,
    kubeconfig: Option<&Path>,
) -> Result<Client, ClusterError> {
    let config = load_config(kubeconfig).await?;
    let url = config.cluster_url.to_string();
    let client = Client::try_from(config).map_err(|error| ClusterError::Unreachable {
        url: url.clone(),
        problem: chain(&error),
    })?;
    let mut last_problem = None;
    let listing = async {
        for resource in Resource::ALL {
            while let Err(error) = try_list(resource, client.clone()).await {
                if !is_transient(&error) || is_untrusted(&error) {
                    return Err(explain("list", resource.name(), &error));
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

async fn load_config(kubeconfig: Option<&Path>) -> Result<Config, ClusterError> {
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

async fn try_list(resource: Resource, client: Client) -> Result<(), kube::Error> {
    let one = ListParams::default().limit(1);
    match resource {
        Resource::Deployments => Api::<Deployment>::all(client).list(&one).await.map(drop),
        Resource::ReplicaSets => Api::<PartialObjectMeta<ReplicaSet>>::all(client)
            .list(&one)
            .await
            .map(drop),
        Resource::Pods => Api::<Pod>::all(client).list(&one).await.map(drop),
    }
}

/// Whether trying the same again may help.
pub fn is_transient(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => status.code == 429 || status.code >= 500,
        kube::Error::HyperError(_) | kube::Error::Service(_) | kube::Error::ReadEvents(_) => true,
        _ => false,
    }
}

/// Whether the server's certificate was refused: waiting does not change that.
fn is_untrusted(error: &kube::Error) -> bool {
    chain(error).contains("invalid peer certificate")
}

/// The HTTP status that the API server answered with, if it answered.
pub fn status_code(error: &kube::Error) -> Option<u16> {
    match error {
        kube::Error::Api(status) => Some(status.code),
        _ => None,
    }
}

/// What went wrong with `verb` on `resource` (such as `deployments/scale`), and what to do.
pub fn explain(verb: &str, resource: &str, error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if status.code == 401 => format!(
            "unauthorized ({}): the token or certificate of the kubeconfig is not, or no longer, valid",
            status.message
        ),
        kube::Error::Api(status) if status.code == 403 => {
            let group = group_of(resource);
            format!(
                "forbidden: may not {verb} {resource} ({}); grant it to the scaler in a ClusterRole: \
                 {{apiGroups: [\"{group}\"], resources: [\"{resource}\"], verbs: [{}]}}",
                status.message,
                needed_verbs(resource),
            )
        }
        kube::Error::Api(status) => {
            format!("{verb} {resource}: {} ({})", status.message, status.code)
        }
        other if is_untrusted(other) => format!(
            "{}; expected a server whose certificate is signed by the CA of the kubeconfig \
             (certificate-authority-data), for the address that it names",
            chain(other)
        ),
        other => format!("{verb} {resource}: {}", chain(other)),
    }
}

/// [`explain`] for a failed watch.
pub fn explain_watch(resource: Resource, error: &watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(error) => explain("list", resource.name(), error),
        watcher::Error::WatchStartFailed(error) | watcher::Error::WatchFailed(error) => {
            explain("watch", resource.name(), error)
        }
        other => format!("watch {resource}: {other}"),
    }
}

fn group_of(resource: &str) -> &'static str {
    match resource {
        "pods" | "events" => "",
        _ => "apps",
    }
}

fn needed_verbs(resource: &str) -> &'static str {
    match resource {
        "deployments/scale" => "\"get\", \"patch\"",
        "events" => "\"create\"",
        _ => "\"get\", \"list\", \"watch\"",
    }
}

/// An error with its causes, without the repetitions that wrapping brings.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
#[path = "cluster_tests.rs"]
mod tests;
