//! Bearer-token authentication. There is one user, who may do everything.
//!
//! Pods of the local cluster run as processes of root on this machine: an open port would let
//! any local user start processes as root.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header;

use crate::error::ApiError;

/// Who a request comes from. Authentication leaves it in the request's extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) name: &'static str,
    pub(crate) groups: &'static [&'static str],
}

impl User {
    /// Whoever has the token.
    pub(crate) const ADMINISTRATOR: Self = Self {
        name: "viperscale-local",
        groups: &["system:masters", "system:authenticated"],
    };
    /// This server itself, when it asks whether an extension server is there.
    pub(crate) const AGGREGATOR: Self = Self {
        name: "system:kube-aggregator",
        groups: &["system:masters"],
    };
}

/// The token that opens the server.
#[derive(Clone)]
pub(crate) struct Auth {
    token: String,
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Auth(..)")
    }
}

impl Auth {
    /// A fresh random token of 256 bits.
    pub(crate) fn generate() -> Self {
        Self {
            token: URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()),
        }
    }

    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// Compares without telling by its duration how much of a guess was right.
    fn accepts(&self, guess: &str) -> bool {
        let (token, guess) = (self.token.as_bytes(), guess.as_bytes());
        token.len() == guess.len()
            && token
                .iter()
                .zip(guess)
                .fold(0, |differences, (a, b)| differences | (a ^ b))
                == 0
    }
}

/// Refuses requests without the token.
pub(crate) async fn require_token(
    State(auth): State<Auth>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let given = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    match given {
        Some(token) if auth.accepts(token.trim()) => {
            request.extensions_mut().insert(User::ADMINISTRATOR);
            Ok(next.run(request).await)
        }
        _ => Err(ApiError::Unauthorized),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_opens() {
        let auth = Auth::generate();
        assert!(auth.accepts(auth.token()));
        assert!(!auth.accepts(""));
        assert!(!auth.accepts(Auth::generate().token()));
        assert!(!format!("{auth:?}").contains(auth.token()));
    }
}
