//! Filling a server with very many objects at once.
//!
//! A cluster of 150,000 pods through HTTP and JSON takes minutes, and twice over, because a client
//! cannot create a pod together with its status. What is loaded here is stored as it is: no
//! defaults, no validation, no admission; `status` stays. For load tests, whose objects are made by
//! a program, and for nothing else.

use serde_json::{Value, json};

use crate::object::{self, text};
use crate::server::Running;
use crate::store::Key;

/// Objects that are stored under one lock; requests get their turn between two such steps.
const BATCH: usize = 512;

/// Why objects were not loaded; those before stay.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The object's type is not served.
    #[error(
        "{kind} of {api_version:?} is not served; expected an object of a built-in type in its own version"
    )]
    UnknownKind {
        /// `apiVersion` of the object.
        api_version: String,
        /// `kind` of the object.
        kind: String,
    },
    /// The object has no name, or no UID, by which owners are found.
    #[error("{kind} {name:?} has no {field}; loaded objects bring their own")]
    Missing {
        /// `kind` of the object.
        kind: String,
        /// Its name, if it has one.
        name: String,
        /// What it lacks.
        field: &'static str,
    },
    /// The store is full.
    #[error("{0}; raise StoreLimits::objects")]
    Full(String),
}

impl Running {
    /// Stores objects as they are, and tells how many there were. Watchers see each of them.
    ///
    /// Every object brings `apiVersion`, `kind`, `metadata.name`, `metadata.uid` and, where its kind
    /// has them, `metadata.namespace`; an object of the same name is replaced. It blocks for some 20
    /// microseconds per object: call it before there are clients.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub fn load(&self, objects: impl IntoIterator<Item = Value>) -> Result<usize, LoadError> {
        let mut objects = objects.into_iter();
        let mut loaded = 0;
        loop {
            let batch: Vec<(Key, Value)> = objects
                .by_ref()
                .take(BATCH)
                .map(|object| self.placed(object))
                .collect::<Result<_, _>>()?;
            if batch.is_empty() {
                return Ok(loaded);
            }
            loaded += batch.len();
            self.api()
                .store
                .transact(false, |tx| {
                    for (key, object) in batch {
                        tx.check_room(&key.collection)?;
                        tx.put(&key, object);
                    }
                    Ok(())
                })
                .map_err(|error| LoadError::Full(error.to_string()))?;
        }
    }

    /// Where an object belongs.
    fn placed(&self, mut object: Value) -> Result<(Key, Value), LoadError> {
        let (api_version, kind) = (
            text(&object, "apiVersion").to_owned(),
            text(&object, "kind").to_owned(),
        );
        let resource = self.api().registry.all().into_iter().find(|resource| {
            resource.is_storage() && resource.kind == kind && resource.api_version() == api_version
        });
        let Some(resource) = resource else {
            return Err(LoadError::UnknownKind { api_version, kind });
        };
        let name = object::name(&object).to_owned();
        for field in ["name", "uid"] {
            if text(&object["metadata"], field).is_empty() {
                return Err(LoadError::Missing { kind, name, field });
            }
        }
        let namespace = match resource.namespaced {
            true => object::namespace(&object).to_owned(),
            false => String::new(),
        };
        let now = json!(object::timestamp(chrono::Utc::now()));
        let metadata = object::metadata(&mut object);
        if metadata["creationTimestamp"].is_null() {
            metadata["creationTimestamp"] = now;
        }
        if metadata["generation"].is_null() {
            metadata["generation"] = json!(1);
        }
        let key = Key {
            collection: resource.collection(),
            namespace,
            name,
        };
        Ok((key, object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, serve};

    fn pod(name: &str) -> Value {
        json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"namespace": "fleet", "name": name, "uid": format!("uid-{name}")},
            "status": {"phase": "Running"}})
    }

    #[tokio::test]
    async fn loaded_objects_keep_their_status_and_get_a_version() {
        let directory = tempfile::tempdir().unwrap();
        let server = serve(Config::new(directory.path())).await.unwrap();
        assert_eq!(server.load([pod("a"), pod("b")]).unwrap(), 2);
        let key = Key {
            collection: "pods".to_owned(),
            namespace: "fleet".to_owned(),
            name: "b".to_owned(),
        };
        let stored = server.api().store.get(&key).unwrap();
        assert_eq!(text(&stored.value, "status.phase"), "Running");
        assert_eq!(text(&stored.value, "metadata.uid"), "uid-b");
        assert!(!text(&stored.value, "metadata.resourceVersion").is_empty());
        server.stop().await;
    }

    #[tokio::test]
    async fn what_cannot_be_loaded_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let mut config = Config::new(directory.path());
        config.limits.objects = 1;
        let server = serve(config).await.unwrap();
        let error = |object: Value| server.load([object]).unwrap_err().to_string();
        assert!(error(json!({"apiVersion": "v2", "kind": "Pod"})).contains("\"v2\" is not served"));
        let mut nameless = pod("a");
        nameless["metadata"]["uid"] = Value::Null;
        assert!(error(nameless).contains("Pod \"a\" has no uid"));
        let error = server.load([pod("a"), pod("b")]).unwrap_err().to_string();
        assert!(error.contains("at most 1 objects"), "{error}");
        server.stop().await;
    }
}
