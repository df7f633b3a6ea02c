//! Feedback about when each packet arrived (transport-wide congestion control,
//! draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1).

/// One step of a time difference, in microseconds.
const STEP_US: i64 = 250;
/// One step of the reference time, in microseconds.
const REFERENCE_US: i64 = 64_000;

/// Which packets arrived, and when by the clock of the receiver, whose origin is unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arrivals {
    /// The transport-wide number of the first packet that is told of.
    pub first: u16,
    /// How many are told of, from the first on without a hole.
    pub count: u16,
    /// The numbers of those that arrived, with the time in microseconds.
    pub arrived: Vec<(u16, i64)>,
}

/// Whether a packet arrived, and how its time is written.
#[derive(Clone, Copy, PartialEq)]
enum Symbol {
    Missing,
    Small,
    Large,
}

impl Symbol {
    fn of(bits: u16) -> Self {
        match bits & 3 {
            1 => Self::Small,
            2 => Self::Large,
            _ => Self::Missing,
        }
    }
}

impl Arrivals {
    /// Reads what follows the SSRCs; `None` when it is cut off.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let &[f0, f1, c0, c1, r0, r1, r2, _] = body.first_chunk()?;
        let (first, count) = (u16::from_be_bytes([f0, f1]), u16::from_be_bytes([c0, c1]));
        let mut rest = body.get(8..)?;
        let mut symbols = Vec::new();
        let mut told = 0;
        while told < count {
            let (chunk, after) = rest.split_first_chunk()?;
            rest = after;
            told += runs(u16::from_be_bytes(*chunk), told, count - told, &mut symbols);
        }
        let mut time = i64::from(i32::from_be_bytes([r0, r1, r2, 0]) >> 8) * REFERENCE_US;
        let mut arrived = Vec::new();
        for (at, length, symbol) in symbols {
            for offset in 0..length {
                let steps = match symbol {
                    Symbol::Small => {
                        let (step, after) = rest.split_first()?;
                        rest = after;
                        i64::from(*step)
                    }
                    Symbol::Missing | Symbol::Large => {
                        let (steps, after) = rest.split_first_chunk()?;
                        rest = after;
                        i64::from(i16::from_be_bytes(*steps))
                    }
                };
                time += steps * STEP_US;
                // Modulo 2^16, as the numbers are.
                arrived.push((first.wrapping_add(at).wrapping_add(offset), time));
            }
        }
        Some(Self { first, count, arrived })
    }
}

/// Adds the runs of arrived packets that a chunk tells of, from the `at`th packet on; of how many packets it tells.
fn runs(chunk: u16, at: u16, limit: u16, symbols: &mut Vec<(u16, u16, Symbol)>) -> u16 {
    let mut add = |at, length, symbol| {
        if symbol != Symbol::Missing {
            symbols.push((at, length, symbol));
        }
    };
    if chunk >> 15 == 0 {
        let length = (chunk & 0x1fff).min(limit);
        add(at, length, Symbol::of(chunk >> 13));
        // A run of none would never end.
        return length.max(1);
    }
    let is_wide = chunk >> 14 & 1 == 1;
    let length = if is_wide { 7 } else { 14 }.min(limit);
    for number in 0..length {
        let bits = if is_wide { chunk >> (12 - 2 * number) } else { chunk >> (13 - number) & 1 };
        add(at + number, 1, Symbol::of(bits));
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads chunks and times after a base of `first`, a count and a reference time of 2 steps.
    fn read(first: u16, count: u16, chunks: &[u16], times: &[u8]) -> Option<Vec<(u16, i64)>> {
        let mut body = [first.to_be_bytes(), count.to_be_bytes()].concat();
        body.extend([0, 0, 2, 77]);
        body.extend(chunks.iter().flat_map(|chunk| chunk.to_be_bytes()));
        body.extend(times);
        let read = Arrivals::read(&body)?;
        assert_eq!((read.first, read.count), (first, count));
        Some(read.arrived)
    }

    #[test]
    fn runs_and_vectors_are_read_as_the_draft_shows_them() {
        const ZERO: i64 = 2 * REFERENCE_US;
        let check = |count, chunk, times: &[u8], want: &[(u16, i64)]| {
            let want: Vec<_> = want.iter().map(|(number, steps)| (*number, ZERO + steps * STEP_US)).collect();
            assert_eq!(read(10, count, &[chunk], times), Some(want), "{chunk:#018b}");
        };
        // Section 3.1.3: 221 packets that did not arrive.
        check(221, 0b0000_0000_1101_1101, &[], &[]);
        check(3, 0b0010_0000_0000_0011, &[1, 2, 3], &[(10, 1), (11, 3), (12, 6)]);
        check(2, 0b0100_0000_0000_0010, &[0xff, 0xff, 1, 0], &[(10, -1), (11, 255)]);
        // Section 3.1.4: one bit each, and two bits each, of which 3 is reserved.
        check(
            14,
            0b1001_1111_0001_1100,
            &[1; 8],
            &[(11, 1), (12, 2), (13, 3), (14, 4), (15, 5), (19, 6), (20, 7), (21, 8)],
        );
        check(7, 0b1100_1101_0100_0001, &[4, 5, 6], &[(12, 4), (13, 9), (16, 15)]);
    }

    #[test]
    fn numbers_and_the_reference_time_wrap() {
        assert_eq!(read(u16::MAX, 2, &[0x2002], &[0, 0]).unwrap()[1].0, 0);
        let body = [0, 0, 0, 1, 0xff, 0xff, 0xff, 0, 0x20, 1, 4];
        assert_eq!(Arrivals::read(&body).unwrap().arrived, [(0, -REFERENCE_US + 4 * STEP_US)]);
    }

    #[test]
    fn what_is_cut_off_or_tells_of_more_than_there_is_ends() {
        assert_eq!(read(0, 3, &[0x2003], &[1, 2]), None, "a time is missing");
        assert_eq!(read(0, 3, &[0x2002], &[1, 2]), None, "a chunk is missing");
        assert_eq!(read(0, 2, &[0x3fff], &[1, 2]).unwrap().len(), 2, "a run longer than the count");
        assert_eq!(read(0, u16::MAX, &[0; 8], &[]), None, "runs of none");
        assert_eq!(read(0, 1, &[0x6001], &[]), Some(vec![]), "the reserved symbol");
    }
}
