//! The time by which the user's request must be answered, handed from role to role.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use axum::extract::FromRequestParts;
use http::request::Parts;

/// Header that carries the remaining milliseconds, as gRPC's `grpc-timeout` does: no clock crosses machines.
pub const DEADLINE_HEADER: &str = "x-shop-timeout-ms";

/// What a request may take when its caller set no deadline.
const WITHOUT_HEADER: Duration = Duration::from_secs(60);

/// A point in time after which nobody waits for the answer any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// The deadline that lies `timeout` ahead.
    #[must_use]
    pub fn within(timeout: Duration) -> Self {
        Self(Instant::now() + timeout)
    }

    /// Time left, or `None` once it has passed.
    #[must_use]
    pub fn remaining(self) -> Option<Duration> {
        self.0
            .checked_duration_since(Instant::now())
            .filter(|left| !left.is_zero())
    }
}

impl<S: Sync> FromRequestParts<S> for Deadline {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let timeout = parts
            .headers
            .get(DEADLINE_HEADER)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.parse::<u32>().ok())
            .map_or(WITHOUT_HEADER, |ms| Duration::from_millis(ms.into()));
        Ok(Self::within(timeout))
    }
}
