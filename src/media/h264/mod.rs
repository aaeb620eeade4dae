//! H.264 as far as a container must know it: NAL units in Annex B form (ITU-T H.264, annex B and table 7-1),
//! access units, parameter sets, the beginning of a slice header.
//!
//! Belongs here: what can be read off the bytes, without a panic whatever they are. Does not: decoding.

mod access_unit;
mod bits;
mod sets;
mod slice;
mod sps;

pub use access_unit::{AccessUnits, Fault, MAX_ACCESS_UNIT};
pub use sets::{ParameterSets, SetsError};
pub use slice::{SliceHead, SliceKind};
pub use sps::{Samples, Sps, SpsError, pps_ids};

/// An access unit delimiter with `primary_pic_type` 7, any slice type (7.3.2.4), start code included.
pub const ACCESS_UNIT_DELIMITER: [u8; 6] = [0, 0, 0, 1, 0x09, 0xF0];

/// NAL unit types a container cares about (table 7-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NalType {
    /// 1 or 2: a slice, or its first partition, of a picture that is not an IDR picture.
    Slice,
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
            1 | 2 => Self::Slice,
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
            let unit = first_nal(bytes);
            // The next start code is the first one at or after the end of this unit, or there is none.
            rest = after_start_code(&bytes[unit.len()..]);
            if !unit.is_empty() {
                return Some(unit);
            }
        }
    })
}

/// The NAL units of an access unit in Annex B form up to its first slice: delimiter, parameter sets, messages.
/// Where the slice begins is given beside them, its end is not looked for.
pub fn head(access_unit: &[u8]) -> Head<'_> {
    Head { rest: access_unit, slice: None }
}

/// See [`head`].
#[derive(Clone, Debug)]
pub struct Head<'a> {
    rest: &'a [u8],
    slice: Option<&'a [u8]>,
}

impl<'a> Head<'a> {
    /// Everything from the header of the first slice on, once all before it has been read.
    pub fn slice(&self) -> Option<&'a [u8]> {
        self.slice
    }
}

impl<'a> Iterator for Head<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while self.slice.is_none() {
            let bytes = after_start_code(self.rest)?;
            if matches!(nal_type(bytes), Some(NalType::Slice | NalType::Idr)) {
                self.slice = Some(bytes);
                break;
            }
            let unit = first_nal(bytes);
            self.rest = &bytes[unit.len()..];
            if !unit.is_empty() {
                return Some(unit);
            }
        }
        None
    }
}

/// The type of a NAL unit, if there is one.
pub fn nal_type(nal: &[u8]) -> Option<NalType> {
    nal.first().map(|header| NalType::of(*header))
}

/// Whether an access unit already begins with a delimiter.
pub fn begins_with_delimiter(access_unit: &[u8]) -> bool {
    after_start_code(access_unit).and_then(nal_type) == Some(NalType::Aud)
}

/// An access unit without its delimiter, if it begins with one.
pub fn after_delimiter(access_unit: &[u8]) -> &[u8] {
    if !begins_with_delimiter(access_unit) {
        return access_unit;
    }
    // Its start code, its header and one byte: 7.3.2.4 leaves it no more.
    let delimiter = find_start_code(access_unit).map_or(0, |at| at + 5);
    access_unit.get(delimiter..).unwrap_or_default()
}

/// Where the first 00 00 01 begins.
fn find_start_code(bytes: &[u8]) -> Option<usize> {
    // In long strides, and where there may be one in short ones.
    find_in_strides(bytes, 8 * LANES, |bytes| find_in_strides(bytes, LANES, find_slowly))
}

/// Goes over what cannot be one, `stride` bytes at a time, and looks closer at the rest.
fn find_in_strides(
    bytes: &[u8],
    stride: usize,
    look_closer: impl Fn(&[u8]) -> Option<usize>,
) -> Option<usize> {
    let mut at = 0;
    while let Some(window) = bytes.get(at..at + stride + 1) {
        if zeros_meet(window)
            && let Some(found) = look_closer(&bytes[at..bytes.len().min(at + stride + 2)])
        {
            return Some(at + found);
        }
        at += stride;
    }
    look_closer(&bytes[at..]).map(|found| at + found)
}

/// Bytes that are looked at together: the compiler makes vectors of them.
const LANES: usize = 32;

/// Whether two zeros are neighbours among some times [`LANES`] bytes and one more. Most bytes are not zero: where
/// none are, no start code begins.
fn zeros_meet(window: &[u8]) -> bool {
    let (these, _) = window.as_chunks::<LANES>();
    let (next, _) = window[1..].as_chunks::<LANES>();
    let mut least = [u8::MAX; LANES];
    for (these, next) in these.iter().zip(next) {
        for n in 0..LANES {
            least[n] = least[n].min(these[n] | next[n]);
        }
    }
    least.contains(&0)
}

/// The same, byte by byte.
fn find_slowly(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some([first, second, third]) = bytes.get(at..at + 3) {
        // What the third byte is rules out the places that it could not be the third, second or first of.
        at += match (first, second, third) {
            (0, 0, 1) => return Some(at),
            (_, _, 2..) => 3,
            (_, _, 1) => 3,
            (_, 0, 0) => 1,
            (_, _, 0) => 2,
        };
    }
    None
}

/// What comes before the next start code.
fn first_nal(bytes: &[u8]) -> &[u8] {
    trim_zeros(&bytes[..find_start_code(bytes).unwrap_or(bytes.len())])
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
    fn the_head_ends_where_the_first_slice_begins() {
        let unit = [0, 0, 0, 1, 9, 0xF0, 0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x65, 0x88, 0, 0, 1, 0x65, 4];
        let mut head = head(&unit);
        assert_eq!(head.by_ref().collect::<Vec<_>>(), [&[9, 0xF0][..], &[0x67, 1, 2]]);
        assert_eq!(head.slice(), Some(&unit[15..]));
        let mut sets = super::head(&unit[..12]);
        assert_eq!((sets.by_ref().count(), sets.slice()), (2, None));
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
            prop_assert!(head(&bytes).all(|unit| !unit.is_empty()));
            prop_assert_eq!(find_start_code(&bytes), bytes.windows(3).position(|w| w == [0, 0, 1]));
        }

        #[test]
        fn the_first_start_code_is_found_wherever_it_lies(
            bytes in proptest::collection::vec(prop_oneof![30 => Just(7u8), 2 => Just(0u8), 1 => Just(1u8)], 0..900),
            at in any::<proptest::sample::Index>(),
        ) {
            let mut bytes = bytes;
            if bytes.len() >= 3 {
                let at = at.index(bytes.len() - 2);
                bytes[at..at + 3].copy_from_slice(&[0, 0, 1]);
            }
            prop_assert_eq!(find_start_code(&bytes), bytes.windows(3).position(|w| w == [0, 0, 1]));
        }
    }
}
