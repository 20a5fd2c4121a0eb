//! Usage over target, with the stock controller's truncations.

use std::collections::BTreeMap;

use crate::client::PodSamples;

/// Utilisation of the requests, and how it compares with its target.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Utilization {
    /// Whole percent over the target's percent.
    pub ratio: f64,
    /// Whole percent of the requests, truncated.
    pub percent: i32,
    /// Thousandths per pod, truncated.
    pub average_milli: i64,
}

/// No pod has both a sample and a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no metrics returned matched known pods")]
pub struct NoKnownPods;

/// Compares usage with requests; pods without a request are not known and are skipped.
pub fn utilization(
    samples: &PodSamples,
    requests: &BTreeMap<String, i64>,
    target_percent: i32,
) -> Result<Utilization, NoKnownPods> {
    let (mut used, mut requested, mut pods) = (0i128, 0i128, 0i128);
    for (name, sample) in samples {
        if let Some(&request) = requests.get(name) {
            used += i128::from(sample.value_milli);
            requested += i128::from(request);
            pods += 1;
        }
    }
    if requested == 0 {
        return Err(NoKnownPods);
    }
    let percent = clamp_i32(used * 100 / requested);
    let average_milli = clamp_i64(used / pods);
    Ok(Utilization {
        ratio: f64::from(percent) / f64::from(target_percent),
        percent,
        average_milli,
    })
}

/// Compares the average with its target, in thousandths: the ratio and the truncated average.
/// Without samples both are zero.
pub fn average(samples: &PodSamples, target_milli: i64) -> (f64, i64) {
    let total: i128 = samples
        .values()
        .map(|sample| i128::from(sample.value_milli))
        .sum();
    let average = clamp_i64(total / i128::try_from(samples.len().max(1)).unwrap_or(1));
    (average as f64 / target_milli as f64, average)
}

fn clamp_i64(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

fn clamp_i32(value: i128) -> i32 {
    i32::try_from(value).unwrap_or(if value < 0 { i32::MIN } else { i32::MAX })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::client::PodSample;
    use crate::time::Moment;

    fn samples(values: &[i64]) -> PodSamples {
        let sample = |value_milli| PodSample {
            value_milli,
            timestamp: Moment::default(),
            window: Duration::from_secs(60),
        };
        values
            .iter()
            .enumerate()
            .map(|(at, &value)| (at.to_string(), sample(value)))
            .collect()
    }

    #[test]
    fn the_ratio_is_made_of_truncated_numbers() {
        let requests = BTreeMap::from([("0".to_owned(), 1000)]);
        let used = utilization(&samples(&[559]), &requests, 50).unwrap();
        assert_eq!((used.percent, used.ratio), (55, 1.1), "55.9 % is 55 %");
        assert_eq!(average(&samples(&[10, 11]), 10), (1.0, 10), "10.5 is 10");
        assert_eq!(
            average(&samples(&[i64::MAX, i64::MAX]), i64::MAX),
            (1.0, i64::MAX)
        );
    }
}
