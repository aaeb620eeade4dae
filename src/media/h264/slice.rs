//! The first elements of a slice header (ITU-T H.264, 7.3.3).

use super::bits::Bits;
use super::{NalType, nal_type};

/// How the pictures a slice needs lie in time (table 7-6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SliceKind {
    /// I or SI: it needs none.
    Intra,
    /// P or SP: it needs ones before it.
    Forward,
    /// B: it may need ones after it, which then come first.
    Bidirectional,
}

/// What a slice header begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SliceHead {
    /// `first_mb_in_slice`: 0 where a picture begins.
    pub first_mb: u32,
    /// `slice_type`
    pub kind: SliceKind,
    /// `pic_parameter_set_id`, 0 to 255.
    pub pps: u32,
}

impl SliceHead {
    /// Reads the beginning of a NAL unit, its header included, without start code; `None` if it is no slice,
    /// or makes no sense.
    pub fn parse(nal: &[u8]) -> Option<Self> {
        if !matches!(nal_type(nal)?, NalType::Slice | NalType::Idr) {
            return None;
        }
        let mut bits = Bits::new(&nal[1..]);
        let first_mb = bits.ue()?;
        let kind = match bits.ue()? {
            2 | 4 | 7 | 9 => SliceKind::Intra,
            0 | 3 | 5 | 8 => SliceKind::Forward,
            1 | 6 => SliceKind::Bidirectional,
            _ => return None,
        };
        let pps = bits.ue().filter(|id| *id <= 255)?;
        Some(Self { first_mb, kind, pps })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_as_they_are_found() {
        // first_mb 0 (1), slice_type 7 (0001000), pps 0 (1).
        let head = SliceHead { first_mb: 0, kind: SliceKind::Intra, pps: 0 };
        assert_eq!(SliceHead::parse(&[0x65, 0b1000_1000, 0b1000_0000]), Some(head));
        // first_mb 1 (010), slice_type 1 (010), pps 2 (011).
        let head = SliceHead { first_mb: 1, kind: SliceKind::Bidirectional, pps: 2 };
        assert_eq!(SliceHead::parse(&[0x01, 0b0100_1001, 0b1000_0000]), Some(head));
        for wrong in [&[][..], &[0x65], &[0x67, 0x88, 0x80], &[0x65, 0b1000_0101, 0b0100_0000]] {
            assert_eq!(SliceHead::parse(wrong), None, "{wrong:?}");
        }
    }
}
