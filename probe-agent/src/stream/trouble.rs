//! What is wrong with a connection, and what a person can do about it.

use std::error::Error;

use tonic::transport::Uri;

/// An error's causes, outermost first, without the repetitions that wrapping brings.
pub(super) fn causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}

/// What to check, from what [`causes`] tells. TLS's own errors arrive here as text only: the HTTP/2
/// layer below keeps nothing else of them.
pub(super) fn advice(uri: &Uri, causes: &str) -> &'static str {
    let known = [
        ("tcp connect error", "is it running and reachable?"),
        ("dns error", "is its name right?"),
        (
            "fatal alert: CertificateRequired",
            "the scaler demands a certificate of this agent: give one with --tls-cert and --tls-key",
        ),
        (
            "fatal alert: ",
            "the scaler refuses this agent's certificate: is --tls-cert signed by the scaler's \
             --tls-client-ca, and still valid?",
        ),
        (
            "not valid for name",
            "address the scaler by a name that its certificate is for",
        ),
        (
            "invalid peer certificate",
            "is --tls-ca the authority that signed the scaler's certificate, and is that still valid?",
        ),
        (
            "InvalidContentType",
            "the scaler speaks no TLS there: use http://, or give the scaler --tls-cert and --tls-key",
        ),
    ];
    let found = known.into_iter().find(|(sign, _)| causes.contains(sign));
    match found {
        Some((_, advice)) => advice,
        // The alert that says so may be lost with the connection.
        None if uri.scheme_str() == Some("https") => {
            "is it running and reachable? If it demands certificates of agents, --tls-cert must \
             name one"
        }
        None => "is it running and reachable? If it has --tls-cert, its address is https://",
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn causes_are_told_once() {
        let inner = io::Error::other("connection refused");
        assert_eq!(causes(&io::Error::other(inner)), "connection refused");
    }

    #[test]
    fn what_tls_says_is_translated() {
        let about = |url: &'static str, causes| advice(&Uri::from_static(url), causes);
        let secure = "https://scaler:9100";
        for (causes, expected) in [
            ("received fatal alert: CertificateRequired", "--tls-key"),
            ("received fatal alert: UnknownCA", "--tls-client-ca"),
            ("invalid peer certificate: UnknownIssuer", "--tls-ca"),
            (
                "invalid peer certificate: certificate not valid for name",
                "by a name",
            ),
            ("corrupt message of type InvalidContentType", "use http://"),
            ("broken pipe", "--tls-cert"),
            ("tcp connect error: connection refused", "is it running"),
        ] {
            let text = about(secure, causes);
            assert!(text.contains(expected), "{causes}: {text}");
        }
        assert!(about("http://scaler:9100", "broken pipe").contains("https://"));
    }
}
