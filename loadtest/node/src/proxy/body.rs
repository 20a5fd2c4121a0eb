//! Bodies of responses: streamed from an endpoint, or a sentence of the proxy's own.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::SendRequest;

use super::endpoint::InFlight;

/// What a client of the proxy receives.
pub(super) type ProxyBody = Either<UpstreamBody, Full<Bytes>>;

/// A response's body that counts as a request under way until it is dropped, and then gives its
/// connection back if it was read to the end. A client that goes away early closes it instead.
#[derive(Debug)]
pub(super) struct UpstreamBody {
    inner: Incoming,
    ended: bool,
    in_flight: InFlight,
    sender: Option<SendRequest<Incoming>>,
}

impl UpstreamBody {
    pub(super) fn new(inner: Incoming, in_flight: InFlight, sender: SendRequest<Incoming>) -> Self {
        Self {
            inner,
            ended: false,
            in_flight,
            sender: Some(sender),
        }
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.inner).poll_frame(cx);
        if let Poll::Ready(None) = frame {
            self.ended = true;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for UpstreamBody {
    fn drop(&mut self) {
        // A body of known length is not polled again after its last byte.
        if let Some(sender) = self
            .sender
            .take()
            .filter(|_| self.ended || self.inner.is_end_stream())
        {
            self.in_flight.give_back(sender);
        }
    }
}
