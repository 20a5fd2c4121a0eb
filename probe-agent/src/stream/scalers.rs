//! Which scalers there are: addresses as given, what their names resolve to, and where standbys say
//! that the leader is.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::time::timeout;
use tonic::transport::Endpoint;

use super::endpoint::Address;

/// Streams at once; further scalers are not connected to. Three are many for a cluster, and each
/// costs an idle connection.
pub(super) const MOST: usize = 8;
const RESOLVE_WITHIN: Duration = Duration::from_secs(5);

/// Scalers by `HOST:PORT`.
pub(super) type Found = BTreeMap<String, Endpoint>;

/// Everything at which a scaler may be now, and whether every name could be resolved: else those that
/// are missing may be there all the same. A name that cannot be resolved stands for itself, so that
/// the attempt to connect says what is wrong.
pub(super) async fn find(addresses: &[Address], told: Option<&str>) -> (Found, bool) {
    let (mut found, mut complete) = (Found::new(), true);
    for address in addresses {
        let resolved = resolve(address).await;
        complete &= resolved.is_some();
        let authorities = resolved.unwrap_or_else(|| vec![authority(address)]);
        for authority in authorities {
            add(&mut found, address, &authority);
        }
    }
    // Behind the address of a Service, a standby is all that one may reach.
    if let (Some(told), Some(address)) = (told, addresses.first()) {
        add(&mut found, address, told);
    }
    (found, complete)
}

fn add(found: &mut Found, address: &Address, authority: &str) {
    if found.len() >= MOST && !found.contains_key(authority) {
        tracing::warn!(
            authority,
            most = MOST,
            "too many scalers: not connecting to this one"
        );
        return;
    }
    match address.at(authority) {
        Ok(endpoint) => {
            found.entry(authority.to_owned()).or_insert(endpoint);
        }
        Err(error) => tracing::warn!(?authority, %error, "passing over an address"),
    }
}

fn authority(address: &Address) -> String {
    let (host, port) = address.host_and_port();
    match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    }
}

/// `HOST:PORT` for each address of the host, at most [`MOST`], in a stable order; `None` when nobody
/// says.
async fn resolve(address: &Address) -> Option<Vec<String>> {
    let resolved = timeout(RESOLVE_WITHIN, lookup_host(address.host_and_port())).await;
    let mut all: Vec<String> = resolved.ok()?.ok()?.map(|one| one.to_string()).collect();
    all.sort();
    all.dedup();
    all.truncate(MOST);
    (!all.is_empty()).then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::TlsFiles;

    fn address(url: &str) -> Address {
        Address::parse(url, &TlsFiles::default()).expect("an address")
    }

    async fn found(urls: &[&str], told: Option<&str>) -> Vec<String> {
        let addresses: Vec<_> = urls.iter().map(|url| address(url)).collect();
        let (found, complete) = find(&addresses, told).await;
        assert!(complete, "nothing had to be asked");
        found.into_keys().collect()
    }

    #[tokio::test]
    async fn each_scaler_is_found_once() {
        let urls = [
            "http://127.0.0.1:1",
            "http://127.0.0.1:1",
            "http://127.0.0.2:1",
        ];
        let both = ["127.0.0.1:1", "127.0.0.2:1"];
        assert_eq!(found(&urls, Some("127.0.0.2:1")).await, both);
        assert_eq!(
            found(&urls[..1], Some("127.0.0.2:1")).await,
            both,
            "as told"
        );
        assert_eq!(found(&urls, Some("nonsense")).await, both);
    }

    #[tokio::test]
    async fn there_are_never_too_many() {
        let urls: Vec<String> = (1..20).map(|n| format!("http://127.0.0.{n}:1")).collect();
        let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
        assert_eq!(found(&urls, None).await.len(), MOST);
    }
}
