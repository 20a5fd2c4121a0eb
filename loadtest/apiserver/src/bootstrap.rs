//! The objects a cluster starts with.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tracing::error;

use crate::api::Api;
use crate::lifecycle::{self, Target};

/// Creates the standard namespaces, the `kubernetes` service, at the first cluster address, and
/// what extension servers need to know about us (`authentication`).
pub(crate) fn create_initial_objects(api: &Api, address: SocketAddr, authentication: &Value) {
    for name in ["default", "kube-system", "kube-public", "kube-node-lease"] {
        create(api, "namespaces", "", json!({"metadata": {"name": name}}));
    }
    let service = json!({
        "metadata": {"name": "kubernetes",
                     "labels": {"component": "apiserver", "provider": "kubernetes"}},
        "spec": {"ports": [{"name": "https", "port": 443, "targetPort": address.port()}]},
    });
    create(api, "services", "default", service);
    let authentication = json!({
        "metadata": {"name": "extension-apiserver-authentication"},
        "data": authentication,
    });
    create(api, "configmaps", "kube-system", authentication);
}

fn create(api: &Api, plural: &str, namespace: &str, object: Value) {
    let Some(resource) = api.registry.find("", "v1", plural) else {
        return;
    };
    let target = Target {
        resource,
        namespace: namespace.to_owned(),
        name: String::new(),
    };
    // The store is empty: a refusal would be a mistake in this file.
    if let Err(error) = lifecycle::create(api, &target, object, false) {
        error!(%error, plural, "an initial object was refused");
    }
}
