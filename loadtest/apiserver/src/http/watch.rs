//! Watches: a stream of JSON lines, one event each.

use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::{BufMut, Bytes, BytesMut};
use futures::Stream;
use http::StatusCode;
use serde_json::json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::render::Renderer;
use super::{Call, json_bytes};
use crate::error::ApiError;
use crate::selector::Filter;
use crate::store::{Change, ChangeKind, Cursor, Start};

/// How often an idle watch is told how far it has come.
const BOOKMARK_INTERVAL: Duration = Duration::from_secs(30);

/// When the client does not say how long to watch (a real server takes 30 to 60 min).
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// Starts a watch on the call's collection (or on one object of it).
pub(super) fn start(call: Call) -> Result<Response, ApiError> {
    let filter = call.params.filter(&call.target)?;
    let from = call.params.revision()?.filter(|revision| *revision > 0);
    let initial_events = call.params.initial_events();
    if initial_events == Some(true) && call.params.resource_version_match != "NotOlderThan" {
        return Err(ApiError::BadRequest(
            "sendInitialEvents requires resourceVersionMatch=NotOlderThan".to_owned(),
        ));
    }
    let start = match (from, initial_events) {
        (_, Some(true)) | (None, None) => Start::Everything,
        (Some(revision), _) => Start::After(revision),
        (None, Some(false)) => Start::After(call.api.store.revision()),
    };
    let timeout = call.params.timeout_seconds.filter(|seconds| *seconds > 0);
    let renderer = call.renderer();
    let collection = call.target.resource.collection();
    let watch = match call.api.store.watch(&collection, start) {
        // A version that is gone is reported as an event, as clients expect of a watch.
        Err(error @ ApiError::Expired(_)) => {
            return Ok(json_bytes(
                StatusCode::OK,
                event("ERROR", error.status().to_string().as_bytes()),
            ));
        }
        Err(error) => return Err(error),
        Ok(cursor) => Watch {
            cursor,
            filter,
            renderer,
            bookmarks: call.params.wants_bookmarks(),
            announce_end: initial_events == Some(true),
            next_bookmark: Instant::now() + BOOKMARK_INTERVAL,
            deadline: Instant::now() + timeout.map_or(DEFAULT_TIMEOUT, Duration::from_secs),
            stopping: call.api.stopping.clone(),
            state: State::Running,
        },
    };
    Ok(json_bytes(
        StatusCode::OK,
        Body::from_stream(watch.into_stream()),
    ))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    /// The last event has been sent.
    Ended,
}

struct Watch {
    cursor: Cursor,
    filter: Filter,
    renderer: Renderer,
    bookmarks: bool,
    /// A bookmark must still mark the end of the initial events.
    announce_end: bool,
    next_bookmark: Instant,
    deadline: Instant,
    stopping: CancellationToken,
    state: State,
}

impl Watch {
    fn into_stream(self) -> impl Stream<Item = Result<Bytes, std::convert::Infallible>> {
        futures::stream::unfold(self, |mut watch| async move {
            let bytes = watch.next().await?;
            Some((Ok(bytes), watch))
        })
    }

    /// The next piece of the response; `None` ends it.
    async fn next(&mut self) -> Option<Bytes> {
        if self.state == State::Ended {
            return None;
        }
        loop {
            match self.ready_events() {
                Ok(bytes) if !bytes.is_empty() => return Some(bytes),
                Ok(_) => {}
                Err(error) => return Some(self.end_with(&error)),
            }
            let wake = if self.bookmarks {
                self.deadline.min(self.next_bookmark)
            } else {
                self.deadline
            };
            tokio::select! {
                change = self.cursor.next() => match change {
                    Ok(change) => {
                        if let Some(bytes) = self.event_for(&change) {
                            return Some(bytes);
                        }
                    }
                    Err(error) => return Some(self.end_with(&error)),
                },
                () = tokio::time::sleep_until(wake) => {
                    if Instant::now() >= self.deadline {
                        self.state = State::Ended;
                        // A last bookmark lets the client go on where this watch ends.
                        return self.bookmarks.then(|| self.bookmark(false)).flatten();
                    }
                    self.next_bookmark = Instant::now() + BOOKMARK_INTERVAL;
                    if let Some(bytes) = self.bookmark(false) {
                        return Some(bytes);
                    }
                }
                () = self.stopping.cancelled() => return None,
            }
        }
    }

    /// All events that need no waiting, as one piece.
    fn ready_events(&mut self) -> Result<Bytes, ApiError> {
        let mut bytes = BytesMut::new();
        while bytes.len() < 64 << 10 {
            let Some(change) = self.cursor.try_next()? else {
                break;
            };
            if let Some(event) = self.event_for(&change) {
                bytes.put(event);
            }
            // Bookmarks must not overtake the initial events, and no event may follow them
            // unannounced: check after each.
            if self.announce_end && self.cursor.drained_to().is_some() {
                break;
            }
        }
        if self.announce_end
            && let Some(bookmark) = self.bookmark(true)
        {
            self.announce_end = false;
            bytes.put(bookmark);
        }
        Ok(bytes.freeze())
    }

    fn end_with(&mut self, error: &ApiError) -> Bytes {
        self.state = State::Ended;
        event("ERROR", error.status().to_string().as_bytes())
    }

    /// A change as this watch sees it: entering the selection is an addition, leaving it a
    /// deletion.
    fn event_for(&self, change: &Change) -> Option<Bytes> {
        let was = change
            .previous
            .as_ref()
            .is_some_and(|old| self.filter.matches(&old.value));
        let is = change.kind != ChangeKind::Deleted && self.filter.matches(&change.object.value);
        let kind = match (was, is) {
            (false, true) => "ADDED",
            (true, true) => "MODIFIED",
            (true, false) => "DELETED",
            (false, false) => return None,
        };
        Some(event(kind, &self.renderer.object(&change.object)))
    }

    /// How far this watch has come, unless changes are still to be sent.
    fn bookmark(&self, initial_events_end: bool) -> Option<Bytes> {
        let revision = self.cursor.drained_to()?;
        let resource = &self.renderer.resource;
        let mut object = json!({
            "kind": resource.kind,
            "apiVersion": resource.api_version(),
            "metadata": {"resourceVersion": revision.to_string()},
        });
        if initial_events_end {
            object["metadata"]["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        Some(event("BOOKMARK", object.to_string().as_bytes()))
    }
}

fn event(kind: &str, object: &[u8]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(object.len() + 40);
    bytes.put_slice(format!(r#"{{"type":"{kind}","object":"#).as_bytes());
    bytes.put_slice(object);
    bytes.put_slice(b"}\n");
    bytes.freeze()
}
