//! Sentences for people, as the log, Events and statuses share them. Pure.

use scaler_core::Decision;

/// The evidence in one line: `runqLatency p95 38ms (2ms), userPageFaults rate 900/s (4000/s)`.
pub(crate) fn evidence_text(decision: &Decision) -> String {
    let texts: Vec<String> = decision
        .evidence
        .iter()
        .map(|e| {
            format!(
                "{} {} {} ({})",
                e.metric, e.statistic, e.value_text, e.threshold_text
            )
        })
        .collect();
    texts.join(", ")
}

/// At most `most` bytes, at least three, cut between characters.
pub(crate) fn shortened(message: &str, most: usize) -> String {
    const MARK: &str = "...";
    if message.len() <= most {
        return message.to_owned();
    }
    let end = message.floor_char_boundary(most.saturating_sub(MARK.len()));
    format!("{}{MARK}", &message[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_messages_are_cut_between_characters() {
        assert_eq!(shortened("as it is", 8), "as it is");
        let message = shortened(&"ü".repeat(2000), 1024);
        assert!(message.len() <= 1024 && message.ends_with("ü..."));
    }
}
