//! Stored objects in the form a client asked for.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use chrono::Utc;
use serde_json::{Value, json};

use super::negotiate::Representation;
use crate::object;
use crate::resource::{Resource, from_storage};
use crate::store::Stored;
use crate::table;

/// How to show objects of one resource to one client.
#[derive(Debug, Clone)]
pub(super) struct Renderer {
    pub(super) resource: Arc<Resource>,
    pub(super) representation: Representation,
    /// `includeObject` of table requests: `None`, `Metadata` (default) or `Object`.
    pub(super) include_object: String,
}

impl Renderer {
    /// One object as JSON; stored objects in their own version are not serialised again.
    pub(super) fn object(&self, stored: &Stored) -> Bytes {
        match self.representation {
            Representation::Object if self.resource.is_storage() => stored.json(),
            Representation::Object => Bytes::from(self.converted(stored).to_string()),
            Representation::Metadata => Bytes::from(partial(&stored.value).to_string()),
            Representation::Table => {
                let version = object::at(&stored.value, "metadata.resourceVersion");
                let metadata = json!({"resourceVersion": version});
                Bytes::from(self.table(&[stored], metadata).to_string())
            }
        }
    }

    /// A list as JSON. `metadata` is the list's own.
    pub(super) fn list(&self, objects: &[Arc<Stored>], metadata: Value) -> Bytes {
        if self.representation == Representation::Table {
            let objects: Vec<&Stored> = objects.iter().map(Arc::as_ref).collect();
            return Bytes::from(self.table(&objects, metadata).to_string());
        }
        let (kind, api_version) = match self.representation {
            Representation::Metadata => (
                "PartialObjectMetadataList".to_owned(),
                "meta.k8s.io/v1".to_owned(),
            ),
            _ => (
                format!("{}List", self.resource.kind),
                self.resource.api_version(),
            ),
        };
        let mut bytes = BytesMut::with_capacity(1_024 * (objects.len() + 1));
        bytes.put_slice(
            format!(
                r#"{{"kind":"{kind}","apiVersion":"{api_version}","metadata":{metadata},"items":["#
            )
            .as_bytes(),
        );
        for (index, stored) in objects.iter().enumerate() {
            if index > 0 {
                bytes.put_u8(b',');
            }
            bytes.put_slice(&self.object(stored));
        }
        bytes.put_slice(b"]}");
        bytes.freeze()
    }

    /// The object in the client's version.
    pub(super) fn converted(&self, stored: &Stored) -> Value {
        let mut value = stored.value.clone();
        from_storage(&self.resource, &mut value);
        value
    }

    fn table(&self, objects: &[&Stored], metadata: Value) -> Value {
        let now = Utc::now();
        let rows: Vec<Value> = objects
            .iter()
            .map(|stored| {
                let mut row = json!({"cells": table::cells(&self.resource, &stored.value, now)});
                match self.include_object.as_str() {
                    "None" => {}
                    "Object" => row["object"] = self.converted(stored),
                    _ => row["object"] = partial(&stored.value),
                }
                row
            })
            .collect();
        json!({
            "kind": "Table",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": metadata,
            "columnDefinitions": table::columns(&self.resource),
            "rows": rows,
        })
    }
}

fn partial(value: &Value) -> Value {
    json!({
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": value["metadata"],
    })
}
