//! The bits of a NAL unit behind its header, without the emulation prevention bytes (ITU-T H.265 section 7.3.1.1).

/// Reads forward; `None` at the end.
#[derive(Clone, Debug)]
pub(super) struct Bits<'a> {
    rest: &'a [u8],
    zeros: u8,
    byte: u8,
    left: u8,
}

impl<'a> Bits<'a> {
    /// The content of a NAL unit with its header of two bytes.
    pub(super) fn of(nal: &'a [u8]) -> Self {
        Self { rest: nal.get(2..).unwrap_or_default(), zeros: 0, byte: 0, left: 0 }
    }

    pub(super) fn flag(&mut self) -> Option<bool> {
        if self.left == 0 {
            self.byte = self.next_byte()?;
            self.left = 8;
        }
        self.left -= 1;
        Some(self.byte >> self.left & 1 == 1)
    }

    /// `u(n)` for up to 64 bits.
    pub(super) fn number(&mut self, bits: u8) -> Option<u64> {
        (0..bits).try_fold(0_u64, |value, _| Some(value << 1 | u64::from(self.flag()?)))
    }

    /// `u(8)`.
    pub(super) fn byte(&mut self) -> Option<u8> {
        u8::try_from(self.number(8)?).ok()
    }

    pub(super) fn skip(&mut self, bits: u32) -> Option<()> {
        (0..bits).try_for_each(|_| self.flag().map(|_| ()))
    }

    /// `ue(v)`, section 9.2.
    pub(super) fn golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        u32::try_from((1 << zeros | self.number(zeros)?) - 1).ok()
    }

    /// `ue(v)` that may not be more than this.
    pub(super) fn golomb_to(&mut self, max: u32) -> Option<u32> {
        self.golomb().filter(|value| *value <= max)
    }

    fn next_byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.rest.split_first()?;
        if self.zeros >= 2 && first == 3 {
            self.zeros = 0;
            self.rest = rest;
            return self.next_byte();
        }
        self.zeros = if first == 0 { self.zeros.saturating_add(1) } else { 0 };
        self.rest = rest;
        Some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emulation_prevention_bytes_are_no_content() {
        let mut bits = Bits::of(&[0x42, 1, 0, 0, 3, 1, 3, 0, 0, 3, 0, 0, 3, 7]);
        let bytes: Vec<u8> = std::iter::from_fn(|| bits.byte()).collect();
        assert_eq!(bytes, [0, 0, 1, 3, 0, 0, 0, 0, 7]);
        assert_eq!(Bits::of(&[0x42]).flag(), None);
    }

    #[test]
    fn exponential_golomb_codes_are_read() {
        // 1, 010, 011, 00100, 00101: 0 to 4.
        let mut bits = Bits::of(&[0, 0, 0b1010_0110, 0b0100_0010, 0b1000_0000]);
        assert_eq!([(); 5].map(|()| bits.golomb()), [0, 1, 2, 3, 4].map(Some));
        let mut long = Bits::of(&[0, 0, 0, 1, 0, 1, 0, 1]);
        assert_eq!(long.golomb_to(3), None, "too many zeros end the reading, not the program");
    }
}
