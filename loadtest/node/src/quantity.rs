//! Kubernetes quantities (`200m`, `64Mi`, `1.5`, `2e3`) as integers, rounded up as Kubernetes does.

/// A string that is not a Kubernetes quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a quantity: expected a number with an optional suffix, such as 200m or 64Mi")]
pub(crate) struct InvalidQuantity(String);

/// The quantity in thousandths: `200m` is 200, `1.5` is 1500.
///
/// # Errors
/// When the text is not a non-negative quantity or does not fit 64 bits.
pub(crate) fn milli(quantity: &str) -> Result<u64, InvalidQuantity> {
    scaled(quantity, 1_000)
}

/// The quantity in whole units: `64Mi` is 67108864, `200m` is 1.
///
/// # Errors
/// When the text is not a non-negative quantity or does not fit 64 bits.
pub(crate) fn whole(quantity: &str) -> Result<u64, InvalidQuantity> {
    scaled(quantity, 1)
}

fn scaled(quantity: &str, factor: u128) -> Result<u64, InvalidQuantity> {
    parse(quantity, factor).ok_or_else(|| InvalidQuantity(quantity.to_owned()))
}

fn parse(quantity: &str, factor: u128) -> Option<u64> {
    let number_end = quantity
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(quantity.len());
    let (number, suffix) = quantity.split_at(number_end);
    let (integer, fraction) = number.split_once('.').unwrap_or((number, ""));
    if integer.is_empty() && fraction.is_empty() {
        return None;
    }
    let digits: u128 = format!("{integer}{fraction}").parse().ok()?;
    let (numerator, denominator) = multiplier(suffix)?;
    let denominator = denominator.checked_mul(power_of_ten(fraction.len())?)?;
    let value = digits
        .checked_mul(numerator)?
        .checked_mul(factor)?
        .div_ceil(denominator);
    u64::try_from(value).ok()
}

/// What a suffix multiplies by, as numerator and denominator.
fn multiplier(suffix: &str) -> Option<(u128, u128)> {
    Some(match suffix {
        "" => (1, 1),
        "n" => (1, 1_000_000_000),
        "u" => (1, 1_000_000),
        "m" => (1, 1_000),
        "k" => (1_000, 1),
        "M" => (1_000_000, 1),
        "G" => (1_000_000_000, 1),
        "T" => (1_000_000_000_000, 1),
        "P" => (1_000_000_000_000_000, 1),
        "E" => (1_000_000_000_000_000_000, 1),
        "Ki" => (1 << 10, 1),
        "Mi" => (1 << 20, 1),
        "Gi" => (1 << 30, 1),
        "Ti" => (1 << 40, 1),
        "Pi" => (1 << 50, 1),
        "Ei" => (1 << 60, 1),
        exponent => {
            let exponent = exponent.strip_prefix(['e', 'E'])?;
            match exponent.strip_prefix('-') {
                Some(negative) => (1, power_of_ten(negative.parse().ok()?)?),
                None => (power_of_ten(exponent.parse().ok()?)?, 1),
            }
        }
    })
}

fn power_of_ten(exponent: usize) -> Option<u128> {
    10u128.checked_pow(u32::try_from(exponent).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_manifests_contain() {
        for (text, milli_value, whole_value) in [
            ("200m", 200, 1),
            ("1", 1_000, 1),
            ("0.1", 100, 1),
            ("1.5", 1_500, 2),
            ("64Mi", 64 << 20, 64 << 20),
            ("1G", 1_000_000_000, 1_000_000_000),
            ("2e3", 2_000_000, 2_000),
            ("5E-1", 500, 1),
            ("100n", 1, 1),
        ] {
            let scale = if text.ends_with("Mi") || text.ends_with('G') {
                1_000
            } else {
                1
            };
            assert_eq!(milli(text), Ok(milli_value * scale), "{text}");
            assert_eq!(whole(text), Ok(whole_value), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_not_a_quantity() {
        for text in [
            "",
            ".",
            "m",
            "1x",
            "-1",
            "1.2.3",
            "1 Mi",
            "99999999999E",
            "1e",
        ] {
            assert!(whole(text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn never_panics_and_rounds_up(text in "[0-9.]{0,6}[a-zA-Z0-9-]{0,3}") {
            if let (Ok(milli), Ok(whole)) = (milli(&text), whole(&text)) {
                prop_assert_eq!(whole, milli.div_ceil(1_000));
            }
        }
    }
}
