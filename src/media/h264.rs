//! H.264 as far as a container must know it: NAL units in Annex B form (ITU-T H.264, annex B and table 7-1).

/// An access unit delimiter with `primary_pic_type` 7, any slice type (7.3.2.4), start code included.
pub const ACCESS_UNIT_DELIMITER: [u8; 6] = [0, 0, 0, 1, 0x09, 0xF0];

/// NAL unit types a container cares about (table 7-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NalType {
    /// 5: a slice of an IDR picture.
    Idr,
    /// 7: sequence parameter set.
    Sps,
    /// 8: picture parameter set.
    Pps,
    /// 9: access unit delimiter.
    Aud,
    /// Any other.
    Other(u8),
}

impl NalType {
    /// From the first byte of a NAL unit.
    pub const fn of(header: u8) -> Self {
        match header & 0x1F {
            5 => Self::Idr,
            7 => Self::Sps,
            8 => Self::Pps,
            9 => Self::Aud,
            other => Self::Other(other),
        }
    }
}

/// The NAL units of an Annex B byte stream, each without start code and trailing zeros.
pub fn nal_units(stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = after_start_code(stream);
    std::iter::from_fn(move || {
        loop {
            let bytes = rest.take()?;
            let end = find_start_code(bytes).unwrap_or(bytes.len());
            rest = after_start_code(&bytes[end..]);
            let unit = trim_zeros(&bytes[..end]);
            if !unit.is_empty() {
                return Some(unit);
            }
        }
    })
}

/// Whether an access unit already begins with a delimiter.
pub fn begins_with_delimiter(access_unit: &[u8]) -> bool {
    let first = after_start_code(access_unit).and_then(<[u8]>::first);
    first.is_some_and(|header| NalType::of(*header) == NalType::Aud)
}

fn find_start_code(bytes: &[u8]) -> Option<usize> {
    bytes.windows(3).position(|w| w == [0, 0, 1])
}

fn after_start_code(bytes: &[u8]) -> Option<&[u8]> {
    find_start_code(bytes).map(|at| &bytes[at + 3..])
}

fn trim_zeros(unit: &[u8]) -> &[u8] {
    let end = unit.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    &unit[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn units_are_found_whatever_their_start_codes() {
        let stream = [0, 0, 0, 1, 9, 0xF0, 0, 0, 1, 0x67, 1, 2, 0, 0, 0, 0, 1, 0x68, 3, 0, 0, 1, 0x65, 4, 0];
        let units: Vec<_> = nal_units(&stream).collect();
        assert_eq!(units, [&[9, 0xF0][..], &[0x67, 1, 2], &[0x68, 3], &[0x65, 4]]);
        let types: Vec<_> = units.iter().map(|unit| NalType::of(unit[0])).collect();
        assert_eq!(types, [NalType::Aud, NalType::Sps, NalType::Pps, NalType::Idr]);
        assert!(begins_with_delimiter(&stream));
        assert!(!begins_with_delimiter(&stream[6..]));
    }

    #[test]
    fn nothing_comes_of_nothing() {
        for empty in [&[][..], &[0, 0, 1], &[0, 0, 1, 0, 0, 1], &[1, 2, 3]] {
            assert_eq!(nal_units(empty).count(), 0, "{empty:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(0u8..3, 0..64)) {
            prop_assert!(nal_units(&bytes).all(|unit| !unit.is_empty()));
        }
    }
}
