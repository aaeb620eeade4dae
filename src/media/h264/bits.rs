//! The bits of a NAL unit, one syntax element after the other (ITU-T H.264, 7.2 and 9.1).

/// Reads a raw byte sequence payload; the emulation prevention bytes among its bytes are left out (7.4.1).
pub(super) struct Bits<'a> {
    bytes: std::slice::Iter<'a, u8>,
    /// Zero bytes just read.
    zeros: u8,
    current: u8,
    /// Bits of `current` still to be read.
    left: u8,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes: bytes.iter(), zeros: 0, current: 0, left: 0 }
    }

    fn bit(&mut self) -> Option<u32> {
        if self.left == 0 {
            let mut byte = *self.bytes.next()?;
            if self.zeros >= 2 && byte == 3 {
                byte = *self.bytes.next()?;
                self.zeros = 0;
            }
            self.zeros = if byte == 0 { self.zeros.saturating_add(1) } else { 0 };
            (self.current, self.left) = (byte, 8);
        }
        self.left -= 1;
        Some(u32::from(self.current >> self.left & 1))
    }

    /// u(n) with n up to 32; `None` where the bytes end.
    pub(super) fn bits(&mut self, count: u32) -> Option<u32> {
        (0..count).try_fold(0, |value: u32, _| Some(value << 1 | self.bit()?))
    }

    /// u(1)
    pub(super) fn flag(&mut self) -> Option<bool> {
        Some(self.bit()? == 1)
    }

    /// ue(v) (9.1); `None` for a code longer than any that the standard uses.
    pub(super) fn ue(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.bit()? == 0 {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        let rest = self.bits(zeros)?;
        Some((1 << zeros) - 1 + rest)
    }

    /// se(v) (9.1.1)
    pub(super) fn se(&mut self) -> Option<i64> {
        let code = i64::from(self.ue()?);
        Some(if code % 2 == 1 { (code + 1) / 2 } else { -(code / 2) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponential_golomb_codes_as_in_table_9_2() {
        // 1 010 011 00100 00101 00110 00111 0001000, then padding.
        let mut bits = Bits::new(&[0b1010_0110, 0b0100_0010, 0b1001_1000, 0b1110_0010, 0]);
        let values: Vec<_> = (0..8).map(|_| bits.ue()).collect();
        assert_eq!(values, [0, 1, 2, 3, 4, 5, 6, 7].map(Some));
        let mut bits = Bits::new(&[0b1010_0110, 0b0100_0010, 0b1001_1000, 0b1110_0010, 0]);
        let values: Vec<_> = (0..5).map(|_| bits.se()).collect();
        assert_eq!(values, [0, 1, -1, 2, -2].map(Some));
    }

    #[test]
    fn emulation_prevention_is_left_out_and_the_end_is_told() {
        let mut bits = Bits::new(&[0, 0, 3, 1, 0, 0, 3, 0, 0, 3, 3]);
        let bytes: Vec<_> = std::iter::from_fn(|| bits.bits(8)).collect();
        assert_eq!(bytes, [0, 0, 1, 0, 0, 0, 0, 3]);
        assert_eq!(Bits::new(&[0; 9]).ue(), None);
        assert_eq!(Bits::new(&[0, 0, 0]).ue(), None);
    }
}
