//! Runs every fuzz target over its committed corpus and over mutations of it, for a bounded time.
//!
//! Mutation `n` of a target is the same in each run and on each machine; only how many there are depends on the time.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs, panic,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

#[expect(unreachable_pub, reason = "public for the fuzz targets")]
#[path = "../../../fuzz/src/lib.rs"]
mod targets;

use targets::{TARGETS, Target};

/// How long a target is given mutations, and how many it gets however slow the machine is.
const TIME: Duration = Duration::from_secs(2);
const MUTATIONS_MIN: u64 = 300;
/// The most bytes of a mutation.
const BYTES_MAX: usize = 8 << 10;
/// The most bytes of the corpus of one target: seeds are small.
const CORPUS_BYTES_MAX: u64 = 16 << 10;

/// A small generator of numbers without a period that matters here (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % (limit as u64).max(1)).unwrap()
    }

    /// A seed with a few bytes changed, removed, doubled, inserted or taken from another seed.
    fn mutation(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(6) {
            let at = self.below(bytes.len() + 1);
            let end = (at + 1 + self.below(32)).min(bytes.len());
            match self.below(7) {
                0 => bytes.truncate(at),
                1 => drop(bytes.drain(at..end)),
                2 => bytes.extend_from_within(at..end),
                3 => bytes.insert(at, *b"\r\n$:;=,/ \"\0\xff09aR{}[]@-".get(self.below(22)).unwrap()),
                4 => {
                    let other = &seeds[self.below(seeds.len())];
                    let from = self.below(other.len());
                    let to = (from + 1 + self.below(64)).min(other.len());
                    bytes.splice(at..at, other[from..to].iter().copied());
                }
                5 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = self.0.to_le_bytes()[5]),
                _ => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << self.below(8)),
            }
        }
        bytes.truncate(BYTES_MAX);
        bytes
    }
}

fn corpus(name: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
    let mut files: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn check(name: &str, target: Target) {
    let files = corpus(name);
    let seeds: Vec<_> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    assert!(!seeds.is_empty(), "{name} has no corpus");
    for (file, seed) in files.iter().zip(&seeds) {
        let survived = panic::catch_unwind(|| target(seed)).is_ok();
        assert!(survived, "{} breaks {name}", file.display());
    }
    let began = Instant::now();
    let mut number = 0;
    while number < MUTATIONS_MIN || began.elapsed() < TIME {
        number += 1;
        let mutation = Numbers(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1).mutation(&seeds);
        let survived = panic::catch_unwind(|| target(&mutation)).is_ok();
        assert!(survived, "mutation {number} breaks {name}: \"{}\"", mutation.escape_ascii());
    }
}

#[test]
fn every_target_survives_its_corpus_and_mutations_of_it() {
    // One thread for each core, so that the time is spent and not waited for.
    let lanes = thread::available_parallelism().unwrap().get();
    thread::scope(|scope| {
        for lane in 0..lanes {
            scope.spawn(move || {
                for (name, target) in TARGETS.iter().skip(lane).step_by(lanes) {
                    check(name, *target);
                }
            });
        }
    });
}

#[test]
fn every_target_has_a_driver_and_a_small_corpus() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let manifest = fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
    assert_eq!(fs::read_dir(fuzz.join("fuzz_targets")).unwrap().count(), TARGETS.len());
    for (name, _) in TARGETS {
        let driver = fs::read_to_string(fuzz.join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(driver.contains(&format!("fuzz::{name}(bytes)")), "{name}");
        assert!(manifest.contains(&format!("name = \"{name}\"\n")), "{name}");
        let bytes: u64 = corpus(name).iter().map(|file| fs::metadata(file).unwrap().len()).sum();
        assert!(bytes <= CORPUS_BYTES_MAX, "{name}: {bytes} bytes");
    }
}
