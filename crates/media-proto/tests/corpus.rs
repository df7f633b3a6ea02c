//! Runs the fuzz targets over the committed corpus and over mutations of it, always the same ones.

#[expect(unreachable_pub, reason = "public for the fuzz targets")]
#[path = "../../../fuzz/src/lib.rs"]
mod targets;

#[cfg(test)]
mod corpus {
    use super::targets;
    use std::{fs, path::Path};

    /// Mutations of each file of the corpus.
    const MUTATIONS: u64 = 400;

    /// A small generator of numbers without a period that matters here (xorshift).
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, limit: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            usize::try_from(self.0 % (limit as u64).max(1)).unwrap()
        }

        /// Changes, removes, doubles or inserts a few bytes.
        fn mutate(&mut self, bytes: &mut Vec<u8>) {
            for _ in 0..=self.below(4) {
                let at = self.below(bytes.len() + 1);
                let end = (at + 1 + self.below(16)).min(bytes.len());
                match self.below(5) {
                    0 => bytes.truncate(at),
                    1 => drop(bytes.drain(at..end)),
                    2 => bytes.extend_from_within(at..end),
                    3 => bytes.insert(at, *b"\r\n$:;=,/ \"\0\xff09aR".get(self.below(16)).unwrap()),
                    _ => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << self.below(8)),
                }
            }
        }
    }

    fn check(target: fn(&[u8]), name: &str) {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
        let mut files: Vec<_> = fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert!(!files.is_empty());
        for file in files {
            let bytes = fs::read(&file).unwrap();
            target(&bytes);
            for seed in 1..=MUTATIONS {
                let mut mutated = bytes.clone();
                Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)).mutate(&mut mutated);
                let outcome = std::panic::catch_unwind(|| target(&mutated));
                assert!(outcome.is_ok(), "seed {seed} of {}: {}", file.display(), mutated.escape_ascii());
            }
        }
    }

    #[test]
    fn rtsp_framing_survives_its_corpus() {
        check(targets::rtsp_framing, "rtsp_framing");
    }

    #[test]
    fn rtsp_headers_survive_their_corpus() {
        check(targets::rtsp_auth, "rtsp_auth");
    }

    #[test]
    fn a_client_session_survives_its_corpus() {
        check(targets::rtsp_client, "rtsp_client");
    }

    #[test]
    fn a_server_session_survives_its_corpus() {
        check(targets::rtsp_server, "rtsp_server");
    }

    #[test]
    fn session_descriptions_survive_their_corpus() {
        check(targets::sdp, "sdp");
    }

    #[test]
    fn parameter_sets_of_h265_survive_their_corpus() {
        check(targets::h265, "h265");
    }

    #[test]
    fn rtp_and_rtcp_survive_their_corpus() {
        check(targets::rtp, "rtp");
    }
}
