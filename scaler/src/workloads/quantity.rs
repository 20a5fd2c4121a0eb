//! CPU quantities of Kubernetes ("200m", "1.5", "2e3m") as cores.

/// Parses a CPU quantity into cores.
///
/// The grammar is that of `k8s.io/apimachinery/pkg/api/resource.Quantity`; binary suffixes are
/// left out because the API server never stores them for CPU. `None` for anything else, negative
/// numbers included.
pub(crate) fn parse_cpu(text: &str) -> Option<f64> {
    let text = text.trim();
    let (number, exponent) = match text.chars().last()? {
        'n' => (&text[..text.len() - 1], -9),
        'u' => (&text[..text.len() - 1], -6),
        'm' => (&text[..text.len() - 1], -3),
        'k' => (&text[..text.len() - 1], 3),
        'M' => (&text[..text.len() - 1], 6),
        _ => (text, 0),
    };
    if !number
        .bytes()
        .all(|b| b.is_ascii_digit() || b".eE+-".contains(&b))
    {
        return None; // `f64` would also read "inf" and "nan"
    }
    let value: f64 = number.parse().ok()?;
    let cores = value * 10f64.powi(exponent);
    (cores.is_finite() && cores >= 0.0).then_some(cores)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_api_server_stores() {
        for (text, cores) in [
            ("200m", 0.2),
            ("1", 1.0),
            ("1.5", 1.5),
            ("0", 0.0),
            ("2e3m", 2.0),
        ] {
            let parsed = parse_cpu(text).unwrap();
            assert!((parsed - cores).abs() < 1e-12, "{text}: {parsed}");
        }
        assert!((parse_cpu("250000000n").unwrap() - 0.25).abs() < 1e-12);
    }

    #[test]
    fn refuses_everything_else() {
        for text in ["", "m", "lots", "-1", "inf", "NaN", "1Ki", "1 m", "é"] {
            assert_eq!(parse_cpu(text), None, "{text}");
        }
    }
}
