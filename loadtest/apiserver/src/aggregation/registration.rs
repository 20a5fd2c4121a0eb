//! The typed view of an `APIService` object: which group and version, served where.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;

use crate::api::Api;
use crate::object::{self, at, integer, items, text};
use crate::store::{Key, Store};

/// The collection of `APIService` objects.
pub(super) const COLLECTION: &str = "apiservices.apiregistration.k8s.io";

/// A group and version that is registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Registration {
    pub(crate) group: String,
    pub(crate) version: String,
    /// Of groups, the one with the higher priority comes first in discovery.
    pub(crate) group_priority: i64,
    /// Of a group's versions, the one with the higher priority comes first.
    pub(crate) version_priority: i64,
    /// Whether its server answered the last availability check.
    pub(crate) available: bool,
    /// The extension server; `None` when this server is said to serve the group itself.
    pub(super) backend: Option<Backend>,
}

/// The extension server of a registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Backend {
    pub(super) service: ServiceRef,
    pub(super) trust: Trust,
}

/// The Service in front of an extension server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServiceRef {
    pub(super) namespace: String,
    pub(super) name: String,
    /// Port of the Service, not of its endpoints.
    pub(super) port: u16,
}

/// Which serving certificates are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trust {
    /// Those signed by one of these PEM certificates.
    Bundle(Vec<u8>),
    /// Any: `insecureSkipTLSVerify`.
    Anything,
    /// None: the registration names no authority.
    Nothing,
}

impl ServiceRef {
    /// The host name that the serving certificate must be valid for.
    pub(super) fn host(&self) -> String {
        format!("{}.{}.svc", self.name, self.namespace)
    }
}

impl std::fmt::Display for ServiceRef {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}", self.namespace, self.name)
    }
}

impl Registration {
    fn from_object(object: &Value) -> Self {
        let spec = &object["spec"];
        Self {
            group: text(spec, "group").to_owned(),
            version: text(spec, "version").to_owned(),
            group_priority: integer(spec, "groupPriorityMinimum"),
            version_priority: integer(spec, "versionPriority"),
            available: items(object, "status.conditions")
                .iter()
                .any(|one| one["type"] == "Available" && one["status"] == "True"),
            backend: spec["service"].is_object().then(|| Backend {
                service: ServiceRef {
                    namespace: text(spec, "service.namespace").to_owned(),
                    name: text(spec, "service.name").to_owned(),
                    // Validation admits ports only; 0 cannot be connected to.
                    port: u16::try_from(integer(spec, "service.port")).unwrap_or_default(),
                },
                trust: Trust::of(spec),
            }),
        }
    }

    /// The registration of a group and version.
    pub(super) fn find(store: &Store, group: &str, version: &str) -> Option<Self> {
        let key = Key {
            collection: COLLECTION.to_owned(),
            namespace: String::new(),
            name: format!("{version}.{group}"),
        };
        store.get(&key).map(|found| Self::from_object(&found.value))
    }

    /// All registrations, by name.
    pub(crate) fn all(store: &Store) -> Vec<Self> {
        store
            .list(COLLECTION, &Default::default(), 0, None)
            .objects
            .iter()
            .map(|stored| Self::from_object(&stored.value))
            .collect()
    }

    /// An available one, without a server.
    #[cfg(test)]
    pub(crate) fn for_tests(
        group: &str,
        version: &str,
        group_priority: i64,
        version_priority: i64,
    ) -> Self {
        Self {
            group: group.to_owned(),
            version: version.to_owned(),
            group_priority,
            version_priority,
            available: true,
            backend: None,
        }
    }

    /// Name of the `APIService` object.
    pub(super) fn name(&self) -> String {
        format!("{}.{}", self.version, self.group)
    }

    /// Whether this server serves the group and version itself, as a built-in one or from custom
    /// resource definitions. It then does not ask the extension server: who registers an
    /// `APIService` cannot take over what others rely on.
    pub(crate) fn is_shadowed(&self, api: &Api) -> bool {
        api.registry
            .all()
            .iter()
            .any(|one| one.group == self.group && one.version == self.version)
    }

    /// Whether discovery lists it as served elsewhere.
    pub(crate) fn is_listed(&self, api: &Api) -> bool {
        self.available && self.backend.is_some() && !self.is_shadowed(api)
    }
}

impl Trust {
    fn of(spec: &Value) -> Self {
        if at(spec, "insecureSkipTLSVerify") == &Value::Bool(true) {
            return Self::Anything;
        }
        match STANDARD.decode(text(spec, "caBundle")) {
            Ok(pem) if !pem.is_empty() => Self::Bundle(pem),
            _ => Self::Nothing,
        }
    }
}

/// The certificates of a PEM bundle.
pub(super) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(certificates) if certificates.is_empty() => {
            Err("it contains no PEM certificate".to_owned())
        }
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(error.to_string()),
    }
}

/// Checks `spec.caBundle`; says what is wrong with it.
pub(crate) fn check_ca_bundle(base64: &str) -> Result<(), String> {
    let pem = STANDARD
        .decode(base64)
        .map_err(|error| format!("it is not base64: {error}"))?;
    certificates(&pem).map(drop)
}

/// Grows with every change of the registration itself, and not with those of its status.
pub(super) fn generation(object: &Value) -> i64 {
    object::integer(object, "metadata.generation")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn objects_are_read_as_they_mean() {
        let object = json!({
            "metadata": {"name": "v1beta1.metrics.k8s.io"},
            "spec": {
                "group": "metrics.k8s.io", "version": "v1beta1",
                "service": {"namespace": "kube-system", "name": "metrics-server", "port": 4443},
                "caBundle": "YQ==", "groupPriorityMinimum": 100, "versionPriority": 50,
            },
            "status": {"conditions": [{"type": "Available", "status": "True"}]},
        });
        let found = Registration::from_object(&object);
        let backend = found.backend.clone().unwrap();
        assert_eq!(backend.service.host(), "metrics-server.kube-system.svc");
        assert_eq!(backend.trust, Trust::Bundle(b"a".to_vec()));
        assert_eq!(found.name(), "v1beta1.metrics.k8s.io");
        assert!(found.available);
        let local = Registration::from_object(&json!({"spec": {"group": "a", "version": "v1"}}));
        assert!(local.backend.is_none() && !local.available);
    }

    #[test]
    fn broken_bundles_are_told() {
        assert!(check_ca_bundle("?").unwrap_err().contains("base64"));
        assert!(check_ca_bundle("YQ==").unwrap_err().contains("no PEM"));
    }
}
