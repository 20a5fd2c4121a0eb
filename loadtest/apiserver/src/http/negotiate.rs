//! The `Accept` header: plain objects, their metadata alone, or a table for kubectl.

use http::{HeaderMap, header};

use crate::error::ApiError;

/// In which form the client wants its objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Representation {
    /// As stored.
    Object,
    /// `PartialObjectMetadata`, for garbage collectors and the like.
    Metadata,
    /// `Table`, columns and rows as kubectl prints them.
    Table,
}

impl Representation {
    /// The first form of the header that this server has.
    pub(super) fn negotiate(headers: &HeaderMap) -> Result<Self, ApiError> {
        let Some(accept) = headers
            .get(header::ACCEPT)
            .and_then(|value| value.to_str().ok())
        else {
            return Ok(Self::Object);
        };
        accept
            .split(',')
            .find_map(of_media_type)
            .ok_or(ApiError::NotAcceptable)
    }
}

fn of_media_type(text: &str) -> Option<Representation> {
    let mut parts = text.split(';').map(str::trim);
    if !matches!(
        parts.next()?,
        "application/json" | "*/*" | "application/*" | ""
    ) {
        return None;
    }
    match parts.find_map(|parameter| parameter.strip_prefix("as=")) {
        None => Some(Representation::Object),
        Some("Table") => Some(Representation::Table),
        Some("PartialObjectMetadata" | "PartialObjectMetadataList") => {
            Some(Representation::Metadata)
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn negotiate(accept: &str) -> Result<Representation, ApiError> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        Representation::negotiate(&headers)
    }

    #[test]
    fn headers_of_real_clients() {
        let kubectl = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
        assert_eq!(negotiate(kubectl).unwrap(), Representation::Table);
        let protobuf_first = "application/vnd.kubernetes.protobuf,application/json";
        assert_eq!(negotiate(protobuf_first).unwrap(), Representation::Object);
        let metadata = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
        assert_eq!(negotiate(metadata).unwrap(), Representation::Metadata);
        assert_eq!(negotiate("*/*").unwrap(), Representation::Object);
        assert!(negotiate("application/vnd.kubernetes.protobuf").is_err());
    }
}
