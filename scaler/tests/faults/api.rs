//! The way to the API server, with everything that can happen on it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use k8s_openapi::api::autoscaling::v1::Scale;
use k8s_openapi::api::coordination::v1::Lease;
use local_apiserver::InProcess;
use scaler::cluster::READ_TIMEOUT;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;

use crate::faults::{Kind, RESOURCES};
use crate::kubelet::DEPLOYMENTS;
use crate::oracle::{Heard, Write};
use crate::world::{Fate, WatchFate, World};

/// How often a running watch is looked at for faults.
const LOOK: Duration = Duration::from_millis(60);
/// Frames of an answer that are under way.
const FRAMES: usize = 16;

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Frames = Result<Frame<Bytes>, BoxError>;
type Answer = Response<StreamBody<ReceiverStream<Frames>>>;

/// A request on its way.
pub(crate) struct Call {
    /// Which scaler it is from, and what that had heard; what the kubelet asks is never disturbed.
    from: Option<(usize, Heard)>,
    request: Request<Bytes>,
    answer: oneshot::Sender<Answer>,
}

/// A client whose requests go into `calls`. Make it on the host that uses it.
pub(crate) fn client(
    world: Arc<World>,
    from: Option<usize>,
    calls: mpsc::UnboundedSender<Call>,
) -> kube::Client {
    let service = tower::service_fn(move |request: Request<kube::client::Body>| {
        let (calls, world) = (calls.clone(), world.clone());
        async move {
            let (parts, body) = request.into_parts();
            let request = Request::from_parts(parts, body.collect_bytes().await?);
            let (answer, answered) = oneshot::channel();
            let heard = |scaler| (scaler, world.lock().oracle.heard_by(scaler));
            let call = Call {
                from: from.map(heard),
                request,
                answer,
            };
            calls.send(call).map_err(|_| reset())?;
            // As the real client's connection does, see `cluster::connect`.
            timeout(READ_TIMEOUT, answered).await?.map_err(|_| reset())
        }
    });
    kube::Client::new(service, "default")
}

fn reset() -> BoxError {
    io::Error::from(io::ErrorKind::ConnectionReset).into()
}

/// Answers requests for as long as it is polled.
pub(crate) async fn serve(
    world: Arc<World>,
    server: InProcess,
    mut calls: mpsc::UnboundedReceiver<Call>,
) {
    while let Some(call) = calls.recv().await {
        tokio::spawn(carry(world.clone(), server.clone(), call));
    }
}

async fn carry(world: Arc<World>, server: InProcess, call: Call) {
    let Call {
        from,
        request,
        mut answer,
    } = call;
    let Some((scaler, heard)) = from else {
        let bytes = collect(server.answer(request).await).await;
        let _ = answer.send(whole(bytes));
        return;
    };
    let (wait, lose_answer) = match world.fate(scaler) {
        Fate::Reset => return,
        Fate::Silence => return answer.closed().await,
        Fate::Error(code) => {
            let _ = answer.send(whole(refusal(code)));
            return;
        }
        Fate::Served { wait, lose_answer } => (wait, lose_answer),
    };
    sleep(wait).await;
    if world.lock().active.contains(&Kind::ApiDown) {
        return;
    }
    let (path, uri) = (request.uri().path().to_owned(), request.uri().to_string());
    let resource = RESOURCES
        .iter()
        .position(|name| path.ends_with(&format!("/{name}")));
    let is_read = request.method() == Method::GET;
    if let Some(resource) = resource.filter(|_| is_read && uri.contains("watch=true")) {
        let (head, body) = server.answer(request).await.into_parts();
        let (frames, stream) = mpsc::channel(FRAMES);
        let stream = StreamBody::new(ReceiverStream::new(stream));
        let _ = answer.send(Response::from_parts(head, stream));
        relay(&world, scaler, resource, body, frames).await;
        return;
    }
    let write = scale_write(scaler, &request, &path);
    let (status, mut bytes) = collect(server.answer(request).await).await;
    if resource.is_some() && is_read && status == StatusCode::OK {
        bytes = world.list(&uri, bytes);
    }
    if let Some(write) = write.filter(|_| status == StatusCode::OK) {
        let scale: Scale = serde_json::from_slice(&bytes).unwrap();
        let to = scale.spec.and_then(|spec| spec.replicas).unwrap_or(0);
        world.accepted(&Write {
            to: u32::try_from(to).unwrap_or(0),
            heard: heard[write.deployment],
            ..write
        });
    }
    if !is_read && status.is_success() && path.contains("/leases") {
        let lease: Lease = serde_json::from_slice(&bytes).unwrap();
        let spec = lease.spec.unwrap_or_default();
        let term = u64::try_from(spec.lease_transitions.unwrap_or(0)).unwrap();
        world.lease(&spec.holder_identity.unwrap_or_default(), term);
    }
    sleep(wait).await;
    if world.lock().active.contains(&Kind::HalfOpenApi { scaler }) {
        return answer.closed().await;
    }
    if !lose_answer {
        let _ = answer.send(whole((status, bytes)));
    }
}

/// The write of a replica count that a request is, if it is one.
fn scale_write(scaler: usize, request: &Request<Bytes>, path: &str) -> Option<Write> {
    let target = path.strip_suffix("/scale")?;
    let deployment = DEPLOYMENTS
        .iter()
        .position(|name| target.ends_with(&format!("/deployments/{name}")))?;
    if request.method() == Method::GET {
        return None;
    }
    let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
    Some(Write {
        scaler,
        deployment,
        to: 0,
        heard: None,
        conditional: body["metadata"]["resourceVersion"].is_string(),
    })
}

/// Passes a watch on until a fault ends it.
async fn relay(
    world: &World,
    scaler: usize,
    resource: usize,
    mut body: Body,
    frames: mpsc::Sender<Frames>,
) {
    let began = world.marks(scaler, resource);
    while !frames.is_closed() {
        match world.watch_fate(scaler, resource, began) {
            WatchFate::Flows => {}
            // What is not read stays in the server's history, for as long as that reaches.
            WatchFate::Late => {
                sleep(LOOK).await;
                continue;
            }
            WatchFate::Reset => {
                let _ = frames.send(Err(reset())).await;
                return;
            }
            WatchFate::Expired => {
                let status = status(410, "Expired", "too old resource version");
                let event = json!({"type": "ERROR", "object": status});
                let _ = frames
                    .send(Ok(Frame::data(format!("{event}\n").into())))
                    .await;
                return;
            }
            WatchFate::Silence => return frames.closed().await,
        }
        match timeout(LOOK, body.frame()).await {
            Err(_) => {}
            Ok(None) => return,
            Ok(Some(frame)) => {
                let frame = frame.map_err(BoxError::from);
                if frames.send(frame).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn collect(response: Response<Body>) -> (StatusCode, Bytes) {
    let status = response.status();
    let body = response.into_body().collect().await.unwrap();
    (status, body.to_bytes())
}

fn whole((status, bytes): (StatusCode, Bytes)) -> Answer {
    let (frames, stream) = mpsc::channel(1);
    frames.try_send(Ok(Frame::data(bytes))).unwrap();
    let mut answer = Response::new(StreamBody::new(ReceiverStream::new(stream)));
    *answer.status_mut() = status;
    answer
}

fn refusal(code: u16) -> (StatusCode, Bytes) {
    let reason = match code {
        409 => "Conflict",
        410 => "Expired",
        429 => "TooManyRequests",
        503 => "ServiceUnavailable",
        504 => "Timeout",
        _ => "InternalError",
    };
    let status = status(code, reason, "a fault was injected");
    (
        StatusCode::from_u16(code).unwrap(),
        status.to_string().into(),
    )
}

fn status(code: u16, reason: &str, message: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
           "reason": reason, "message": message, "code": code})
}
