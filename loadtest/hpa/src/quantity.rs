//! Kubernetes quantities, as far as the autoscaler writes and reads them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The family of suffixes a quantity is written with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// Powers of ten: `500m`, `2k`.
    #[serde(rename = "DecimalSI")]
    DecimalSi,
    /// Powers of 1024: `64Mi`. Falls back to powers of ten below 1024 and for fractions.
    #[serde(rename = "BinarySI")]
    BinarySi,
}

/// An amount in thousandths of its unit, and how to write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quantity {
    /// Thousandths of the unit (1 CPU = 1000; memory in thousandths of a byte).
    pub milli: i64,
    /// Which suffixes [`Display`](fmt::Display) uses.
    pub format: Format,
}

/// A text is not a quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a quantity: write a number with an optional suffix, such as 500m, 2 or 64Mi")]
pub struct QuantityError(String);

impl Quantity {
    /// A quantity in powers of ten.
    pub const fn decimal(milli: i64) -> Self {
        Self {
            milli,
            format: Format::DecimalSi,
        }
    }

    /// The quantity in which the average of a resource is reported: bytes are binary, the rest is
    /// decimal.
    pub fn of_resource(resource: &str, milli: i64) -> Self {
        let format = if resource == "memory" {
            Format::BinarySi
        } else {
            Format::DecimalSi
        };
        Self { milli, format }
    }
}

/// The canonical form: the largest suffix that keeps the mantissa whole.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = self.milli / 1000;
        if self.format == Format::BinarySi && self.milli % 1000 == 0 && units.abs() >= 1024 {
            return write_scaled(f, units, 1024, &["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"]);
        }
        if self.milli == 0 {
            return f.write_str("0");
        }
        write_scaled(
            f,
            self.milli,
            1000,
            &["m", "", "k", "M", "G", "T", "P", "E"],
        )
    }
}

fn write_scaled(
    f: &mut fmt::Formatter<'_>,
    mut mantissa: i64,
    base: i64,
    suffixes: &[&str],
) -> fmt::Result {
    let mut suffixes = suffixes.iter();
    let mut suffix = suffixes.next().copied().unwrap_or("");
    while mantissa % base == 0 {
        let Some(next) = suffixes.next() else { break };
        mantissa /= base;
        suffix = next;
    }
    write!(f, "{mantissa}{suffix}")
}

/// Reads a quantity; fractions of a thousandth are rounded up, as `MilliValue` does.
impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let error = || QuantityError(text.to_owned());
        let end = text
            .char_indices()
            .find(|&(at, c)| {
                !(c.is_ascii_digit() || c == '.' || (at == 0 && (c == '-' || c == '+')))
            })
            .map_or(text.len(), |(at, _)| at);
        let (number, suffix) = text.split_at(end);
        let (factor, format) = match suffix {
            "n" => (1e-9, Format::DecimalSi),
            "u" => (1e-6, Format::DecimalSi),
            "m" => (1e-3, Format::DecimalSi),
            "" => (1.0, Format::DecimalSi),
            "k" => (1e3, Format::DecimalSi),
            "M" => (1e6, Format::DecimalSi),
            "G" => (1e9, Format::DecimalSi),
            "T" => (1e12, Format::DecimalSi),
            "P" => (1e15, Format::DecimalSi),
            "E" => (1e18, Format::DecimalSi),
            "Ki" => (1024.0, Format::BinarySi),
            "Mi" => (1024f64.powi(2), Format::BinarySi),
            "Gi" => (1024f64.powi(3), Format::BinarySi),
            "Ti" => (1024f64.powi(4), Format::BinarySi),
            "Pi" => (1024f64.powi(5), Format::BinarySi),
            "Ei" => (1024f64.powi(6), Format::BinarySi),
            exponent => {
                let power = exponent.strip_prefix(['e', 'E']).ok_or_else(error)?;
                (
                    10f64.powi(power.parse().map_err(|_| error())?),
                    Format::DecimalSi,
                )
            }
        };
        let value: f64 = number.parse().map_err(|_| error())?;
        let milli = value * factor * 1000.0;
        // A decimal fraction such as 0.0035 is a hair off in binary; that is not a thousandth more.
        let nearest = milli.round();
        let milli = if (milli - nearest).abs() < 1e-6 {
            nearest
        } else {
            milli.ceil()
        };
        Ok(Self {
            milli: milli as i64,
            format,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_written_canonically() {
        let binary = |milli| Quantity::of_resource("memory", milli).to_string();
        assert_eq!(Quantity::decimal(0).to_string(), "0");
        assert_eq!(Quantity::decimal(1500).to_string(), "1500m");
        assert_eq!(Quantity::decimal(2_000_000).to_string(), "2k");
        assert_eq!(Quantity::decimal(10_000).to_string(), "10");
        assert_eq!(Quantity::decimal(-500).to_string(), "-500m");
        assert_eq!(binary(1_023_000), "1023");
        assert_eq!(binary(1_024_000), "1Ki");
        assert_eq!(binary(1_025_000), "1025");
        assert_eq!(binary(64 * 1024 * 1024 * 1000), "64Mi");
        assert_eq!(binary(2_048_500), "2048500m", "fractions are decimal");
        assert_eq!(binary(1_000_000), "1k", "below 1024 is decimal");
    }

    #[test]
    fn quantities_are_read_in_thousandths_rounded_up() {
        let milli = |text: &str| text.parse::<Quantity>().unwrap().milli;
        assert_eq!(milli("100m"), 100);
        assert_eq!(milli("1.5"), 1500);
        assert_eq!(milli("0.1"), 100);
        assert_eq!(milli("64Mi"), 64 * 1024 * 1024 * 1000);
        assert_eq!(milli("2e3"), 2_000_000);
        assert_eq!(milli("1n"), 1);
        assert_eq!(milli("12345678n"), 13);
        for bad in ["", "x", "5 Mi", "1Zi", "--1"] {
            assert!(bad.parse::<Quantity>().is_err(), "{bad}");
        }
    }
}
