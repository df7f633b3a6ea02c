//! Times by size: 32 buckets for each doubling of microseconds, about 3 % wide.

use serde_json::{Value, json};

const BUCKETS: usize = 32;
const EXPONENTS: usize = 60;

/// Counts of times.
#[derive(Clone, Debug)]
pub struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    sum_us: u64,
    max_us: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: vec![0; BUCKETS * EXPONENTS], count: 0, sum_us: 0, max_us: 0 }
    }
}

impl Histogram {
    /// Counts one time.
    pub fn add_ns(&mut self, ns: u64) {
        let us = ns / 1_000;
        if let Some(bucket) = self.buckets.get_mut(bucket_of(us)) {
            *bucket += 1;
        }
        self.count += 1;
        self.sum_us += us;
        self.max_us = self.max_us.max(us);
    }

    /// Adds all times of another one.
    pub fn merge(&mut self, other: &Self) {
        self.buckets.iter_mut().zip(&other.buckets).for_each(|(own, add)| *own += add);
        self.count += other.count;
        self.sum_us += other.sum_us;
        self.max_us = self.max_us.max(other.max_us);
    }

    /// How many times it holds.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The time, in milliseconds, that this part of all (0 to 1) does not exceed; 0 when it is empty.
    #[must_use]
    pub fn quantile_ms(&self, part: f64) -> f64 {
        let wanted = (part * self.count as f64).ceil().max(1.0) as u64;
        let mut below = 0;
        for (at, bucket) in self.buckets.iter().enumerate() {
            below += bucket;
            if below >= wanted {
                return ms(lowest_of(at).min(self.max_us));
            }
        }
        ms(self.max_us)
    }

    /// The longest time in milliseconds.
    #[must_use]
    pub fn max_ms(&self) -> f64 {
        ms(self.max_us)
    }

    /// As JSON, in milliseconds; `null` when it is empty.
    #[must_use]
    pub fn to_json(&self) -> Value {
        if self.count == 0 {
            return Value::Null;
        }
        json!({
            "n": self.count,
            "p50": self.quantile_ms(0.5),
            "p90": self.quantile_ms(0.9),
            "p99": self.quantile_ms(0.99),
            "p999": self.quantile_ms(0.999),
            "max": self.max_ms(),
            "mean": ms(self.sum_us) / self.count as f64,
        })
    }
}

fn bucket_of(us: u64) -> usize {
    let us = us.max(1);
    let doublings = us.ilog2().saturating_sub(BUCKETS.ilog2());
    // Below the first doubling the value is its own bucket; above, its five bits behind the first one are.
    doublings as usize * BUCKETS + (us >> doublings) as usize
}

fn lowest_of(bucket: usize) -> u64 {
    let doublings = (bucket / BUCKETS).saturating_sub(1);
    let within = (bucket - doublings * BUCKETS) as u64;
    within << doublings
}

fn ms(us: u64) -> f64 {
    us as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(times_us: impl Iterator<Item = u64>, part: f64, expected_ms: f64) {
        let mut histogram = Histogram::default();
        times_us.for_each(|us| histogram.add_ns(us * 1_000));
        let got = histogram.quantile_ms(part);
        assert!((got - expected_ms).abs() <= expected_ms * 0.035, "{part}: {got}, not {expected_ms}");
    }

    #[test]
    fn quantiles_are_within_a_bucket() {
        for part in [0.5, 0.9, 0.99, 1.0] {
            check(1..=100_000, part, part * 100.0);
        }
        check([7, 31, 32, 63, 64].into_iter(), 0.4, 0.031);
        check([u64::MAX / 1_000].into_iter(), 0.5, u64::MAX as f64 / 1e6);
    }

    #[test]
    fn every_time_has_a_bucket_whose_lowest_is_not_above_it() {
        for us in (0..64).flat_map(|at| [1_u64 << at, (1 << at) + 1, (1_u64 << at).wrapping_mul(3) / 2]) {
            let lowest = lowest_of(bucket_of(us));
            assert!(lowest <= us.max(1) && lowest as f64 > us as f64 * 0.96, "{us}: {lowest}");
        }
    }

    #[test]
    fn merged_is_as_if_counted_in_one() {
        let [mut one, mut two, mut both] = [(); 3].map(|()| Histogram::default());
        for us in 1..2_000 {
            let part = if us % 3 == 0 { &mut one } else { &mut two };
            part.add_ns(us * 1_000);
            both.add_ns(us * 1_000);
        }
        one.merge(&two);
        assert_eq!(one.to_json(), both.to_json());
        assert_eq!(Histogram::default().to_json(), Value::Null);
    }
}
