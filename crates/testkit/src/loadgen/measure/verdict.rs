//! Whether a run counts: a generator that was late or had no processor left measured itself, not the server.

use super::Histogram;

/// The latest the generator may be at the 99th percentile.
pub const LAG_MAX_MS: f64 = 5.0;
/// How busy the generator's core may be.
pub const BUSY_MAX: f64 = 0.85;

/// How the generator itself did.
#[derive(Clone, Debug)]
pub struct Generator {
    /// How late it was for what was due.
    pub lag: Histogram,
    /// The mean number of cores it used; it has one.
    pub cores: f64,
}

impl Generator {
    /// Why the run is discarded; empty when it counts.
    #[must_use]
    pub fn reasons(&self) -> Vec<String> {
        let lag_ms = self.lag.quantile_ms(0.99);
        let late = (lag_ms > LAG_MAX_MS)
            .then(|| format!("the generator was {lag_ms:.1} ms late at p99, more than {LAG_MAX_MS}"));
        let busy = self.cores * 100.0;
        let full = (self.cores > BUSY_MAX)
            .then(|| format!("the generator's core was {busy:.0} % busy, more than {:.0}", BUSY_MAX * 100.0));
        [late, full].into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lag_ms: u64, cores: f64, reasons: usize) {
        let mut lag = Histogram::default();
        (0..100).for_each(|_| lag.add_ns(lag_ms * 1_000_000));
        let got = Generator { lag, cores }.reasons();
        assert_eq!(got.len(), reasons, "{lag_ms} ms, {cores} cores: {got:?}");
    }

    #[test]
    fn a_late_or_a_busy_generator_discards_the_run() {
        check(4, 0.84, 0);
        check(6, 0.84, 1);
        check(4, 0.86, 1);
        check(6, 0.86, 2);
    }
}
