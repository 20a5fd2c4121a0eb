//! How far an estimate from sampled events may be off. Pure.
//!
//! Each event is recorded with probability p, independently. So of N events n are recorded, binomially
//! distributed with mean Np and variance Np(1 - p), and n/p is an unbiased estimate of N. The interval is
//! Wilson's: all N of which n is less than z standard deviations away, which holds for few events, too;
//! its wider half is what is stated. A sum of values v varies more than a count, by the factor
//! n Σv² / (Σv)² in its variance (Horvitz and Thompson's estimator); Σv² is taken from the histogram.

use super::Metric;

/// Standard deviations on either side that 95 % of a normal distribution lie within.
const Z: f64 = 1.959_964;

/// Half the width of the 95 % confidence interval of `sum`, as a share of it; that of `count` is never
/// wider. 0 when every event was recorded, infinite when none was.
///
/// `count`, `sum` and `buckets` are estimates, already scaled by 1/`sampling`, of events that were all
/// sampled at that rate.
pub fn relative_error(metric: Metric, count: u64, sum: u64, buckets: &[u64], sampling: f64) -> f64 {
    if sampling >= 1.0 {
        return 0.0;
    }
    let left_out = 1.0 - sampling;
    let recorded = count as f64 * sampling;
    if recorded < 0.5 || sum == 0 {
        return f64::INFINITY;
    }
    let deviation = Z * (left_out * (recorded + Z * Z * left_out / 4.0)).sqrt();
    let of_count = (deviation + Z * Z * left_out / 2.0) / recorded;
    of_count * spread(metric, count, sum, buckets).sqrt()
}

/// By how much more the variance of the sum is than that of the count, relatively: 1 or more.
fn spread(metric: Metric, count: u64, sum: u64, buckets: &[u64]) -> f64 {
    let (count, sum) = (count as f64, sum as f64);
    let spread = if metric == Metric::PageCacheHitRatio {
        // Hits are accesses less what was brought in, two numbers that are sampled apart; so the
        // variance is that of both: (count + (count - sum)) / sum², against 1 / count.
        (2.0 * count - sum) * count / (sum * sum)
    } else if buckets.is_empty() {
        // Every value is 1, or not known.
        1.0
    } else {
        count * squares(sum, buckets) / (sum * sum)
    };
    spread.max(1.0)
}

/// Sum of the squares of values of which the sum is known, and how many are in each bucket.
///
/// Inside a bucket [a, 2a) a value's square is at most 3av - 2a², the chord of the parabola; so with the
/// mean m of a bucket, its squares sum to at most n(3am - 2a²). The means are taken to lie equally high in
/// their buckets, as high as the total says.
fn squares(sum: f64, buckets: &[u64]) -> f64 {
    let bucket = |(index, &count): (usize, &u64)| {
        let exponent = i32::try_from(index).unwrap_or(i32::MAX);
        (count as f64, 2f64.powi(exponent))
    };
    let lowest: f64 = buckets
        .iter()
        .enumerate()
        .map(bucket)
        .map(|(n, a)| n * a)
        .sum();
    // 1: all at the lower edge, 2: all at the upper one. The last bucket is open, so it may be more.
    let height = (sum / lowest).max(1.0);
    buckets
        .iter()
        .enumerate()
        .map(bucket)
        .map(|(n, a)| n * a * a * (3.0 * height - 2.0).max(height * height))
        .sum()
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};

    use super::*;

    const RUNS: usize = 2_000;

    /// The share of runs in which the stated error holds, for events with these values.
    fn coverage(values: &[u64], rate: f64) -> f64 {
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(7);
        let truth: u64 = values.iter().sum();
        let holds = (0..RUNS).filter(|_| {
            let (mut count, mut sum, mut buckets) = (0_u64, 0_u64, vec![0_u64; 40]);
            for value in values.iter().filter(|_| random.random_bool(rate)) {
                count += 1;
                sum += value;
                buckets[value.max(&1).ilog2() as usize] += 1;
            }
            let scale = |recorded: u64| (recorded as f64 / rate).round() as u64;
            let buckets: Vec<u64> = buckets.into_iter().map(scale).collect();
            let (count, sum) = (scale(count), scale(sum));
            let error = relative_error(Metric::SentBytes, count, sum, &buckets, rate);
            sum.abs_diff(truth) as f64 <= error * sum as f64
        });
        holds.count() as f64 / RUNS as f64
    }

    #[test]
    fn the_stated_error_holds_in_95_of_100_runs() {
        let equal = vec![100; 2_000];
        let mixed: Vec<u64> = (0..2_000).map(|i| 1 << (i % 14)).collect();
        let few = vec![64; 60];
        for (values, rate) in [(&equal, 0.1), (&equal, 0.5), (&mixed, 0.1), (&few, 0.1)] {
            let share = coverage(values, rate);
            assert!(
                share >= 0.945,
                "{share} of {} values at {rate}",
                values.len()
            );
        }
    }

    #[test]
    fn the_stated_error_is_not_much_wider_than_it_must_be() {
        // 200 of 2,000 recorded: 1.96 sqrt(0.9 / 200) is 13.1 %.
        let buckets = [0, 0, 0, 0, 0, 0, 2_000];
        let error = relative_error(Metric::SentBytes, 2_000, 200_000, &buckets, 0.1);
        assert!((0.131..0.16).contains(&error), "{error}");
        let error = relative_error(Metric::TcpDrops, 2_000, 2_000, &[], 0.1);
        assert!((0.131..0.15).contains(&error), "{error}");
    }

    #[test]
    fn nothing_left_out_is_exact_and_nothing_recorded_is_unknown() {
        assert_eq!(relative_error(Metric::TcpDrops, 5, 5, &[], 1.0), 0.0);
        assert_eq!(
            relative_error(Metric::TcpDrops, 0, 0, &[], 0.1),
            f64::INFINITY
        );
    }

    #[test]
    fn few_hits_are_less_certain_than_many() {
        let of = |hits| relative_error(Metric::PageCacheHitRatio, 1_000, hits, &[], 0.1);
        assert!(of(1_000) < of(900) && of(900) < of(100));
    }
}
