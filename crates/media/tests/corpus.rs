//! Runs every fuzz target over its committed corpus and over mutations of it.
//!
//! Mutation `n` of a target is the same in each run and on each machine. With `CORPUS_SECONDS` set, as `cargo xtask soak
//! fuzz` does, new ones are made for so long, and the summary says where the next run can go on (`CORPUS_FIRST`).
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    env, fs,
    ops::Range,
    panic,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

#[expect(unreachable_pub, reason = "public for the fuzz targets")]
#[path = "../../../fuzz/src/lib.rs"]
mod targets;

use targets::{TARGETS, Target};

/// The mutations of each target.
const MUTATIONS: u64 = 1_500;
/// The mutations of a target after which the others get their turn in a long run.
const TURN: u64 = 1_000;
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

fn survives(target: Target, bytes: &[u8]) -> bool {
    panic::catch_unwind(|| target(bytes)).is_ok()
}

fn check(name: &str, target: Target, mutations: Range<u64>) {
    let files = corpus(name);
    let seeds: Vec<_> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    assert!(!seeds.is_empty(), "{name} has no corpus");
    for (file, seed) in files.iter().zip(&seeds) {
        assert!(survives(target, seed), "{} breaks {name}", file.display());
    }
    for number in mutations {
        let mutation = Numbers(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1).mutation(&seeds);
        assert!(survives(target, &mutation), "mutation {number} breaks {name}: \"{}\"", mutation.escape_ascii());
    }
}

/// Every target with these mutations, on one thread for each core.
fn check_all(mutations: &Range<u64>) {
    let lanes = thread::available_parallelism().unwrap().get();
    thread::scope(|scope| {
        for lane in 0..lanes {
            scope.spawn(move || {
                for (name, target) in TARGETS.iter().skip(lane).step_by(lanes) {
                    check(name, *target, mutations.clone());
                }
            });
        }
    });
}

fn number_in(variable: &str) -> Option<u64> {
    env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}")))
}

#[test]
fn every_target_survives_its_corpus_and_mutations_of_it() {
    let Some(seconds) = number_in("CORPUS_SECONDS") else { return check_all(&(1..MUTATIONS + 1)) };
    let began = Instant::now();
    let first = number_in("CORPUS_FIRST").unwrap_or(1);
    let mut next = first;
    while began.elapsed() < Duration::from_secs(seconds) {
        check_all(&(next..next + TURN));
        next += TURN;
    }
    println!("{} targets survived {} mutations each; the next is CORPUS_FIRST={next}", TARGETS.len(), next - first);
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
