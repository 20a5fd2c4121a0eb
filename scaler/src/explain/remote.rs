//! Asks a running scaler.

use std::time::Duration;

use reqwest::{Client, StatusCode};

use super::{ExplainError, Explained};

const PATIENCE: Duration = Duration::from_secs(5);

/// What the scaler whose admin endpoints are at `address` (`HOST:PORT` or a URL) says.
pub(super) async fn explain(
    address: &str,
    namespace: &str,
    name: &str,
) -> Result<Explained, ExplainError> {
    let base = match address.contains("://") {
        true => address.trim_end_matches('/').to_owned(),
        false => format!("http://{address}"),
    };
    let unreachable = |error: &dyn std::error::Error| ExplainError::Unreachable {
        address: address.to_owned(),
        problem: crate::cluster::chain(error),
    };
    // Straight to it: a proxy for the world does not know the way into a cluster.
    let client = Client::builder()
        .no_proxy()
        .timeout(PATIENCE)
        .build()
        .map_err(|error| unreachable(&error))?;
    let url = format!("{base}/decisions/{namespace}/{name}");
    let answer = client.get(url).send().await;
    let answer = answer.map_err(|error| unreachable(&error))?;
    let status = answer.status();
    let foreign = |problem: String| ExplainError::Foreign {
        address: address.to_owned(),
        problem,
    };
    let text = answer.text().await.map_err(|error| unreachable(&error))?;
    match status {
        StatusCode::OK => serde_json::from_str(&text).map_err(|error| foreign(error.to_string())),
        StatusCode::NOT_FOUND if text.starts_with("no policy") => {
            Err(ExplainError::Unknown(text.trim().to_owned()))
        }
        other => Err(foreign(other.to_string())),
    }
}
