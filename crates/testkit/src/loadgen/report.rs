//! What a run says at its end: one line of JSON, and an exit status.

use serde_json::{Map, Value, json};

use super::measure::{Totals, rtp::Traffic, verdict::Generator};

/// The end of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was measured, by name.
    pub values: Map<String, Value>,
    /// What the server did wrong; empty when it did not.
    pub faults: Vec<String>,
    /// Why the run does not count; empty when it does.
    pub discarded: Vec<String>,
}

impl Report {
    /// A report of the mode `mode`, by a generator that did so.
    #[must_use]
    pub fn new(mode: &str, generator: &Generator) -> Self {
        let mut report = Self { values: Map::new(), faults: Vec::new(), discarded: generator.reasons() };
        report.put("mode", mode.into());
        report.put("generator", json!({"cores": generator.cores, "lag_ms": generator.lag.to_json()}));
        report
    }

    /// Adds a value.
    pub fn put(&mut self, name: &str, value: Value) {
        self.values.insert(name.to_owned(), value);
    }

    /// Adds the members of an object.
    pub fn put_all(&mut self, object: Value) {
        if let Value::Object(members) = object {
            self.values.extend(members);
        }
    }

    /// Adds what readers saw, and what is wrong with it.
    pub fn put_totals(&mut self, totals: &Totals) {
        self.put_all(totals.to_json());
        self.fault(totals.lost, "access units were lost");
        self.fault(totals.torn, "access units were torn");
        self.fault(totals.unstamped, "access units had no stamp");
        self.fault(totals.foreign, "access units were another stream's");
        self.fault(totals.repeated, "access units came again");
        self.fault(totals.freezes, "freezes of more than three frame times");
    }

    /// Adds what came, and whether packets are missing.
    pub fn put_traffic(&mut self, traffic: Traffic) {
        self.put_all(traffic.to_json());
        self.fault(traffic.lost, "packets were lost");
    }

    /// Notes a fault when there is one.
    pub fn fault(&mut self, count: u64, what: &str) {
        if count > 0 {
            self.faults.push(format!("{count} {what}"));
        }
    }

    /// The value at a path such as `latency_ms.p50`, where it is a number.
    #[must_use]
    pub fn number(&self, path: &str) -> Option<f64> {
        let mut names = path.split('.');
        let first = self.values.get(names.next()?)?;
        names.try_fold(first, |value, name| value.get(name))?.as_f64()
    }

    /// The exit status: 3 when the run does not count, 4 when the server did wrong.
    #[must_use]
    pub fn status(&self) -> u8 {
        match (self.discarded.is_empty(), self.faults.is_empty()) {
            (false, _) => 3,
            (true, false) => 4,
            (true, true) => 0,
        }
    }

    /// One line.
    #[must_use]
    pub fn to_line(&self) -> String {
        let mut values = self.values.clone();
        values.insert("faults".to_owned(), self.faults.clone().into());
        values.insert("discarded".to_owned(), self.discarded.clone().into());
        Value::Object(values).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(cores: f64, lost: u64) -> Report {
        let mut report = Report::new("x", &Generator { lag: super::super::measure::Histogram::default(), cores });
        report.put_totals(&Totals { lost, ..Totals::default() });
        report
    }

    #[test]
    fn the_exit_status_tells_clean_faulty_and_discarded_runs_apart() {
        assert_eq!((report(0.1, 0).status(), report(0.1, 1).status(), report(0.9, 1).status()), (0, 4, 3));
        assert!(report(0.9, 2).to_line().contains("2 access units were lost"));
    }

    #[test]
    fn numbers_are_found_by_their_path() {
        let report = report(0.25, 3);
        assert_eq!(report.number("generator.cores"), Some(0.25));
        assert_eq!(report.number("lost_frames"), Some(3.0));
        assert_eq!(report.number("latency_ms.p50"), None);
    }
}
