//! Numbers as Kubernetes' Go code writes them in JSON (pure).

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use stock_hpa::{Moment, Quantity};

/// A CPU quantity in canonical form: `199873621n`, and `200m` where that is exact.
pub(super) fn cpu(nano_cores: u64) -> String {
    let mut mantissa = nano_cores;
    if mantissa == 0 {
        return "0".to_owned();
    }
    for suffix in ["n", "u", "m"] {
        if !mantissa.is_multiple_of(1_000) {
            return format!("{mantissa}{suffix}");
        }
        mantissa /= 1_000;
    }
    mantissa.to_string()
}

/// A memory quantity in canonical form: `5348Ki`.
pub(super) fn memory(bytes: u64) -> String {
    let milli = i64::try_from(bytes)
        .unwrap_or(i64::MAX)
        .saturating_mul(1_000);
    Quantity::of_resource("memory", milli).to_string()
}

/// A time in whole seconds, as every Kubernetes object carries it.
pub(super) fn time(moment: Moment) -> String {
    let seconds = moment.millis().div_euclid(1_000);
    let time = Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH);
    time.to_string()
}

/// A time in milliseconds, which Go's `metav1.Time` reads but would not write.
///
/// An autoscaler leaves out a new pod's first reading when it is older than the window after the pod
/// became ready. The window is exact; with a time cut to whole seconds that rule strikes every second
/// pod by chance, and the doublings that were measured on a real chain, in each of seven trials, would
/// come in none of seven.
pub(super) fn exact_time(moment: Moment) -> String {
    let time = Timestamp::from_millisecond(moment.millis()).unwrap_or(Timestamp::UNIX_EPOCH);
    time.to_string()
}

/// A duration as Go prints it, in milliseconds: `15.046s`, `1m2.5s`.
pub(super) fn duration(length: Duration) -> String {
    let (minutes, millis) = (length.as_secs() / 60, length.as_millis() % 60_000);
    let (hours, minutes) = (minutes / 60, minutes % 60);
    let fraction = match millis % 1_000 {
        0 => String::new(),
        rest => format!(".{rest:03}").trim_end_matches('0').to_owned(),
    };
    let seconds = format!("{}{fraction}s", millis / 1_000);
    match (hours, minutes) {
        (0, 0) if length.as_secs() == 0 && millis > 0 => format!("{millis}ms"),
        (0, 0) => seconds,
        (0, minutes) => format!("{minutes}m{seconds}"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_canonical() {
        for (nano, text) in [
            (0, "0"),
            (199_873_621, "199873621n"),
            (200_000_000, "200m"),
            (2_000_000_000, "2"),
            (1_500, "1500n"),
            (5_000, "5u"),
        ] {
            assert_eq!(cpu(nano), text);
        }
        assert_eq!(memory(5_476_352), "5348Ki");
        assert_eq!(memory(64 << 20), "64Mi");
        assert_eq!(memory(0), "0");
    }

    #[test]
    fn quantities_are_read_back_as_they_were() {
        for nano in [1, 999, 1_000_000, 123_456_789, 3_000_000_000] {
            let milli = cpu(nano).parse::<Quantity>().unwrap().milli;
            assert_eq!(milli, i64::try_from(nano.div_ceil(1_000_000)).unwrap());
        }
    }

    #[test]
    fn times_and_durations_are_go_s() {
        assert_eq!(
            time(Moment::from_millis(1_700_000_000_999)),
            "2023-11-14T22:13:20Z"
        );
        assert_eq!(
            exact_time(Moment::from_millis(1_700_000_000_999)),
            "2023-11-14T22:13:20.999Z"
        );
        for (millis, text) in [
            (15_046, "15.046s"),
            (20_000, "20s"),
            (62_500, "1m2.5s"),
            (3_600_000, "1h0m0s"),
            (250, "250ms"),
            (0, "0s"),
        ] {
            assert_eq!(duration(Duration::from_millis(millis)), text);
        }
    }
}
