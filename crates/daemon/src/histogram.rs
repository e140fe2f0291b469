//! Quantiles from the agents' logarithmic duration buckets.

use std::collections::BTreeMap;

use plimsoll_model::Quantiles;

/// Ratio of neighbouring bucket bounds, as in the agent protocol.
const BUCKET_RATIO: f64 = 1.1;

/// Quantiles in seconds, each within 5 % (half a bucket); `None` without jobs.
pub fn quantiles(buckets: &BTreeMap<i32, u64>) -> Option<Quantiles> {
    let total: u64 = buckets.values().sum();
    (total > 0).then(|| Quantiles {
        p50: quantile(buckets, total, 0.5),
        p95: quantile(buckets, total, 0.95),
        p999: quantile(buckets, total, 0.999),
    })
}

fn quantile(buckets: &BTreeMap<i32, u64>, total: u64, share: f64) -> f64 {
    let rank = (share * total as f64).ceil().max(1.0) as u64;
    let mut seen = 0;
    for (bucket, count) in buckets {
        seen += count;
        if seen >= rank {
            return BUCKET_RATIO.powf(f64::from(*bucket) + 0.5) * 1e-6;
        }
    }
    0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_fall_into_their_bucket() {
        // 1.1^72.5 µs is about 1 ms, 1.1^121 µs about 0.1 s.
        let buckets = BTreeMap::from([(72, 990), (121, 10)]);
        let found = quantiles(&buckets).expect("there are jobs");
        assert!((found.p50 - 0.001).abs() < 0.0002, "{found:?}");
        assert!((found.p95 - 0.001).abs() < 0.0002, "{found:?}");
        assert!((found.p999 - 0.1).abs() < 0.02, "{found:?}");
        assert_eq!(quantiles(&BTreeMap::new()), None);
    }
}
