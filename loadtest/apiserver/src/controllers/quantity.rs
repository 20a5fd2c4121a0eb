//! Resource quantities (`250m`, `64Mi`, `2`) as numbers.

/// The quantity as a plain number (CPUs, bytes); `None` when it is not one.
///
/// Floating point is exact enough here: sums of CPU and memory requests stay far below 2^53
/// millionths.
pub(super) fn parse(text: &str) -> Option<f64> {
    let text = text.trim();
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && !".+-".contains(c))
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits);
    let factor = match suffix {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 1_024.0,
        "Mi" => 1_048_576.0,
        "Gi" => 1_073_741_824.0,
        "Ti" => 1_099_511_627_776.0,
        _ => return text.parse().ok(),
    };
    number.parse::<f64>().ok().map(|number| number * factor)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn suffixes() {
        for (text, expected) in [
            ("250m", 0.25),
            ("2", 2.0),
            ("1.5", 1.5),
            ("64Mi", 67_108_864.0),
            ("1e3", 1_000.0),
        ] {
            let found = parse(text).unwrap();
            assert!((found - expected).abs() < 1e-9, "{text}: {found}");
        }
        assert_eq!(parse("ten"), None);
        assert_eq!(parse(""), None);
    }
}
