//! Cluster addresses of services, from 127.96.0.0/16.
//!
//! The addresses are loopback ones: the node's service proxy listens on them.

use std::collections::HashSet;
use std::net::Ipv4Addr;

use serde_json::{Value, json};

use crate::error::{ApiError, Cause};
use crate::object::{self, text};
use crate::store::Transaction;

/// First two bytes of every cluster address.
const PREFIX: [u8; 2] = [127, 96];

/// Gives a new service its address, or checks the one it asks for. Headless services (`None`)
/// and `ExternalName` ones have none.
pub(crate) fn allocate_address(
    transaction: &Transaction<'_>,
    service: &mut Value,
) -> Result<(), ApiError> {
    let wanted = text(service, "spec.clusterIP").to_owned();
    if wanted == "None" {
        service["spec"]["clusterIPs"] = json!(["None"]);
        return Ok(());
    }
    if text(service, "spec.type") == "ExternalName" {
        return Ok(());
    }
    let taken: HashSet<&str> = transaction
        .objects("services")
        .map(|stored| text(&stored.value, "spec.clusterIP"))
        .collect();
    let address = if wanted.is_empty() {
        free_address(&taken).ok_or_else(|| {
            ApiError::TooManyObjects("no free cluster address is left in 127.96.0.0/16".to_owned())
        })?
    } else {
        check_wanted(service, &wanted, &taken)?;
        wanted
    };
    service["spec"]["clusterIP"] = json!(address);
    service["spec"]["clusterIPs"] = json!([address]);
    Ok(())
}

/// The lowest free address; .0.0 and .255.255 stay unused.
fn free_address(taken: &HashSet<&str>) -> Option<String> {
    (1..u16::MAX)
        .map(|host| {
            let [high, low] = host.to_be_bytes();
            Ipv4Addr::new(PREFIX[0], PREFIX[1], high, low).to_string()
        })
        .find(|address| !taken.contains(address.as_str()))
}

fn check_wanted(service: &Value, wanted: &str, taken: &HashSet<&str>) -> Result<(), ApiError> {
    let in_range = wanted
        .parse::<Ipv4Addr>()
        .is_ok_and(|address| address.octets()[..2] == PREFIX);
    let message = if !in_range {
        format!("Invalid value: {wanted:?}: must be an address of 127.96.0.0/16, empty, or None")
    } else if taken.contains(wanted) {
        format!("Invalid value: {wanted:?}: provided IP is already allocated")
    } else {
        return Ok(());
    };
    Err(ApiError::Invalid {
        kind: "Service".to_owned(),
        name: object::name(service).to_owned(),
        causes: vec![Cause::invalid("spec.clusterIP", message)],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Key, Store, StoreLimits};

    fn create(store: &Store, name: &str, spec: Value) -> Result<String, ApiError> {
        store.transact(false, |tx| {
            let mut service = json!({"metadata": {"name": name}, "spec": spec});
            allocate_address(tx, &mut service)?;
            let key = Key {
                collection: "services".into(),
                namespace: "d".into(),
                name: name.into(),
            };
            Ok(text(&tx.put(&key, service).value, "spec.clusterIP").to_owned())
        })
    }

    #[test]
    fn addresses_are_distinct_and_checked() {
        let store = Store::new(StoreLimits::default());
        assert_eq!(create(&store, "a", json!({})).unwrap(), "127.96.0.1");
        assert_eq!(
            create(&store, "b", json!({"clusterIP": "127.96.0.2"})).unwrap(),
            "127.96.0.2"
        );
        assert_eq!(create(&store, "c", json!({})).unwrap(), "127.96.0.3");
        assert_eq!(
            create(&store, "d", json!({"clusterIP": "None"})).unwrap(),
            "None"
        );
        assert!(create(&store, "e", json!({"clusterIP": "127.96.0.1"})).is_err());
        assert!(create(&store, "f", json!({"clusterIP": "10.0.0.1"})).is_err());
    }
}
