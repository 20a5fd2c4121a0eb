//! Numbers that know what they count: `2ms`, `1MiB/s`, `4000`, `80%`.

use std::fmt;

use serde::Serialize;

/// What a number counts. Values are in the base unit that each variant names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum Unit {
    /// Nanoseconds.
    #[serde(rename = "ns")]
    Time,
    /// Bytes.
    #[serde(rename = "bytes")]
    Bytes,
    /// Events.
    #[serde(rename = "events")]
    Events,
    /// A quotient of like things; 1 = all.
    #[serde(rename = "share")]
    Share,
    /// Nanoseconds per second.
    #[serde(rename = "ns/s")]
    TimePerSecond,
    /// Bytes per second.
    #[serde(rename = "bytes/s")]
    BytesPerSecond,
    /// Events per second.
    #[serde(rename = "events/s")]
    EventsPerSecond,
}

/// A non-negative number with its unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantity {
    value: f64,
    unit: Unit,
}

/// The text is not a quantity of the wanted unit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, found `{found}`{hint}")]
pub struct QuantityError {
    expected: &'static str,
    found: String,
    hint: &'static str,
}

/// A suffix, the unit it belongs to (per second or not), and its size in the base unit.
const SUFFIXES: &[(&str, Unit, f64)] = &[
    ("ns", Unit::Time, 1.0),
    ("us", Unit::Time, 1e3),
    ("µs", Unit::Time, 1e3),
    ("ms", Unit::Time, 1e6),
    ("s", Unit::Time, 1e9),
    ("B", Unit::Bytes, 1.0),
    ("KiB", Unit::Bytes, 1024.0),
    ("MiB", Unit::Bytes, 1_048_576.0),
    ("GiB", Unit::Bytes, 1_073_741_824.0),
    ("kB", Unit::Bytes, 1e3),
    ("MB", Unit::Bytes, 1e6),
    ("GB", Unit::Bytes, 1e9),
    ("%", Unit::Share, 0.01),
];

impl Unit {
    /// All units.
    pub const ALL: [Self; 7] = [
        Self::Time,
        Self::Bytes,
        Self::Events,
        Self::Share,
        Self::TimePerSecond,
        Self::BytesPerSecond,
        Self::EventsPerSecond,
    ];

    /// The unit of this per second. A share per second makes no sense and stays a share.
    #[must_use]
    pub const fn per_second(self) -> Self {
        match self {
            Self::Time | Self::TimePerSecond => Self::TimePerSecond,
            Self::Bytes | Self::BytesPerSecond => Self::BytesPerSecond,
            Self::Events | Self::EventsPerSecond => Self::EventsPerSecond,
            Self::Share => Self::Share,
        }
    }

    /// The unit without "per second".
    const fn total(self) -> Self {
        match self {
            Self::Time | Self::TimePerSecond => Self::Time,
            Self::Bytes | Self::BytesPerSecond => Self::Bytes,
            Self::Events | Self::EventsPerSecond => Self::Events,
            Self::Share => Self::Share,
        }
    }

    /// What a policy must write for it, for messages.
    #[must_use]
    pub const fn expectation(self) -> &'static str {
        match self {
            Self::Time => "a duration with ns, us, ms or s, such as `2ms`",
            Self::Bytes => "a size with B, KiB, MiB, GiB, kB, MB or GB, such as `64KiB`",
            Self::Events => "a number of events, such as `4000`",
            Self::Share => "a share, such as `0.8` or `80%`",
            Self::TimePerSecond => "a duration per second, such as `150ms` or `150ms/s`",
            Self::BytesPerSecond => "a size per second, such as `1MiB` or `1MiB/s`",
            Self::EventsPerSecond => "a number of events per second, such as `4000` or `4000/s`",
        }
    }

    /// An expression (RE2, anchored) for what [`Quantity::parse`] reads as this unit, for schemas.
    ///
    /// Whatever it matches is read, save numbers that are too large; what it does not match may still
    /// be read: signs, exponents and blanks are for files only.
    #[must_use]
    pub fn pattern(self) -> String {
        let total = self.total();
        let suffixes: Vec<&str> = SUFFIXES
            .iter()
            .filter(|(_, unit, _)| *unit == total)
            .map(|(name, ..)| *name)
            .collect();
        let suffix = match (suffixes.is_empty(), total) {
            (true, _) => String::new(),
            (false, Self::Time | Self::Bytes) => format!("({})", suffixes.join("|")),
            (false, _) => format!("({})?", suffixes.join("|")),
        };
        let per_second = if self == total { "" } else { "(/s)?" };
        format!("^[0-9]+([.][0-9]+)?{suffix}{per_second}$")
    }

    /// `value` (in the base unit) for people: three significant digits and the largest fitting
    /// suffix.
    #[must_use]
    pub fn format(self, value: f64) -> String {
        let per_second = if self == self.total() { "" } else { "/s" };
        let (steps, base): (&[(&str, f64)], _) = match self.total() {
            Self::Time => (&[("s", 1e9), ("ms", 1e6), ("us", 1e3)], "ns"),
            Self::Bytes => (
                &[
                    ("GiB", 1_073_741_824.0),
                    ("MiB", 1_048_576.0),
                    ("KiB", 1024.0),
                ],
                "B",
            ),
            _ => (&[], ""),
        };
        let (suffix, size) = steps
            .iter()
            .copied()
            .find(|(_, size)| value.abs() >= *size)
            .unwrap_or((base, 1.0));
        format!("{}{suffix}{per_second}", three_digits(value / size))
    }
}

/// `value` with about three significant digits, without exponent or trailing zeros.
fn three_digits(value: f64) -> String {
    let decimals = match value.abs() {
        v if v >= 100.0 => 0,
        v if v >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{value:.decimals$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

impl Quantity {
    /// `value` in the base unit of `unit`; `None` when it is negative, infinite or not a number.
    #[must_use]
    pub fn try_new(value: f64, unit: Unit) -> Option<Self> {
        (value.is_finite() && value >= 0.0).then_some(Self { value, unit })
    }

    /// Reads `text` as a quantity of `unit`.
    ///
    /// Times and bytes need a suffix, because a bare number would be a guess; a rate may end in
    /// `/s`, and means per second in any case.
    ///
    /// # Errors
    /// When the text is no number, carries a suffix of another unit or none where one is needed, or
    /// is negative or infinite.
    pub fn parse(text: &str, unit: Unit) -> Result<Self, QuantityError> {
        let error = |hint| QuantityError {
            expected: unit.expectation(),
            found: text.to_owned(),
            hint,
        };
        let trimmed = text.trim();
        let (amount, per_second) = match trimmed.strip_suffix("/s") {
            Some(amount) => (amount, true),
            None => (trimmed, false),
        };
        if per_second && unit == unit.total() {
            return Err(error(": this statistic is not per second"));
        }
        let (digits, suffix) = amount.split_at(length_of_number(amount));
        let number: f64 = digits.parse().map_err(|_| error(""))?;
        let scale = match suffix.trim_start() {
            "" => match unit.total() {
                Unit::Time | Unit::Bytes if number != 0.0 => {
                    return Err(error(": the unit is missing"));
                }
                _ => 1.0,
            },
            suffix => match SUFFIXES.iter().find(|(name, ..)| *name == suffix) {
                Some((_, found, scale)) if *found == unit.total() => *scale,
                Some((_, found, _)) => return Err(error(wrong_unit(*found))),
                None => return Err(error(": the unit is unknown")),
            },
        };
        if number < 0.0 {
            return Err(error(": it must not be negative"));
        }
        Self::try_new(number * scale, unit).ok_or_else(|| error(": it is too large"))
    }

    /// The number, in the base unit.
    #[must_use]
    pub const fn value(self) -> f64 {
        self.value
    }

    /// The unit.
    #[must_use]
    pub const fn unit(self) -> Unit {
        self.unit
    }
}

/// How many bytes at the start of `text` are a decimal number, its exponent (`4e3`) included.
fn length_of_number(text: &str) -> usize {
    let run = |text: &str, other: &[char]| {
        text.find(|c: char| !c.is_ascii_digit() && !other.contains(&c))
            .unwrap_or(text.len())
    };
    let mantissa = run(text, &['.', '-', '+']);
    match text[mantissa..].strip_prefix(['e', 'E']) {
        Some(exponent) if run(exponent, &['-', '+']) > 0 => {
            mantissa + 1 + run(exponent, &['-', '+'])
        }
        _ => mantissa,
    }
}

/// What a suffix of the wrong unit in fact means.
const fn wrong_unit(found: Unit) -> &'static str {
    match found {
        Unit::Time | Unit::TimePerSecond => ": that is a duration",
        Unit::Bytes | Unit::BytesPerSecond => ": that is a size in bytes",
        Unit::Share => ": that is a share",
        Unit::Events | Unit::EventsPerSecond => ": that is a number of events",
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.unit.format(self.value))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const UNITS: [Unit; 7] = Unit::ALL;

    #[test]
    fn texts_become_base_units() {
        let value = |text, unit| Quantity::parse(text, unit).map(Quantity::value).ok();
        assert_eq!(value("2ms", Unit::Time), Some(2e6));
        assert_eq!(value(" 2 us ", Unit::Time), Some(2e3));
        assert_eq!(value("1.5KiB", Unit::Bytes), Some(1536.0));
        assert_eq!(value("1MiB/s", Unit::BytesPerSecond), Some(1_048_576.0));
        assert_eq!(value("4e3", Unit::EventsPerSecond), Some(4000.0));
        assert_eq!(value("80%", Unit::Share), Some(0.8));
        assert_eq!(value("inf", Unit::Share), None);
        assert_eq!(value("NaN", Unit::Events), None);
        assert_eq!(value("", Unit::Events), None);
    }

    #[test]
    fn numbers_become_readable() {
        assert_eq!(Unit::Time.format(38_000_000.0), "38ms");
        assert_eq!(Unit::Time.format(0.0), "0ns");
        assert_eq!(Unit::Time.format(1_234_567.0), "1.23ms");
        assert_eq!(Unit::BytesPerSecond.format(1_300_000.0), "1.24MiB/s");
        assert_eq!(Unit::EventsPerSecond.format(4210.4), "4210/s");
        assert_eq!(Unit::Share.format(0.62), "0.62");
        assert_eq!(Unit::Events.format(100.0), "100");
    }

    #[test]
    fn patterns_are_those_of_the_suffixes() {
        assert_eq!(Unit::Time.pattern(), "^[0-9]+([.][0-9]+)?(ns|us|µs|ms|s)$");
        assert_eq!(Unit::EventsPerSecond.pattern(), "^[0-9]+([.][0-9]+)?(/s)?$");
        assert_eq!(Unit::Share.pattern(), "^[0-9]+([.][0-9]+)?(%)?$");
    }

    proptest! {
        // The number and a suffix of the pattern, put together, are read; the schema of the custom
        // resource lets in what this proves.
        #[test]
        fn what_a_pattern_admits_is_read(
            whole in 0u64..1_000_000_000,
            part in proptest::option::of(0u32..1000),
            index in 0..UNITS.len(),
            pick: prop::sample::Index,
            rate: bool,
        ) {
            let unit = UNITS[index];
            let suffixes: Vec<&str> = SUFFIXES
                .iter()
                .filter(|(_, of, _)| *of == unit.total())
                .map(|(name, ..)| *name)
                .chain((!matches!(unit.total(), Unit::Time | Unit::Bytes)).then_some(""))
                .collect();
            let part = part.map_or(String::new(), |part| format!(".{part}"));
            let per_second = if rate && unit != unit.total() { "/s" } else { "" };
            let text = format!("{whole}{part}{}{per_second}", pick.get(&suffixes));
            prop_assert!(Quantity::parse(&text, unit).is_ok(), "{text}");
        }

        #[test]
        fn parsing_never_panics(text: String, index in 0..UNITS.len()) {
            let _ = Quantity::parse(&text, UNITS[index]);
        }

        #[test]
        fn what_is_shown_reads_back(value in 0.0f64..1e15, index in 0..UNITS.len()) {
            let unit = UNITS[index];
            let quantity = Quantity::try_new(value, unit).unwrap();
            let back = Quantity::parse(&quantity.to_string(), unit).unwrap();
            prop_assert!((back.value() - value).abs() <= 0.006 * value.max(1.0), "{quantity}");
        }
    }
}
