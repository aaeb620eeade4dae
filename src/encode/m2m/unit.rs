//! What encoders leave out of an access unit: delimiters, and parameter sets before an IDR picture.

use crate::media::Entry;
use crate::media::h264::{self, ACCESS_UNIT_DELIMITER, NalType};

/// Makes whole access units of what an encoder gives, and keeps its parameter sets.
#[derive(Debug)]
pub(super) struct Units {
    /// Room for a delimiter, then the coded bytes.
    coded: Vec<u8>,
    /// The last sets seen, in Annex B form.
    sps: Vec<u8>,
    pps: Vec<u8>,
    /// An access unit that had to be put together.
    joined: Vec<u8>,
    form: Form,
}

/// How the last access unit is handed out.
#[derive(Clone, Copy, Debug)]
enum Form {
    /// As it came.
    Given,
    /// With a delimiter in front.
    Delimited,
    /// Put together.
    Joined,
}

const START_CODE: [u8; 4] = [0, 0, 0, 1];
const DELIMITER: usize = ACCESS_UNIT_DELIMITER.len();

impl Units {
    pub(super) fn new() -> Self {
        let coded = ACCESS_UNIT_DELIMITER.to_vec();
        Self { coded, sps: Vec::new(), pps: Vec::new(), joined: Vec::new(), form: Form::Given }
    }

    /// Where the coded bytes of the next unit are to be appended.
    pub(super) fn room(&mut self) -> &mut Vec<u8> {
        self.coded.truncate(DELIMITER);
        &mut self.coded
    }

    /// The first sequence parameter set kept, without start code.
    pub(super) fn sps(&self) -> Option<&[u8]> {
        h264::nal_units(&self.sps).next()
    }

    /// Looks at what has been appended to [`Units::room`]: none if it has no picture, but parameter sets at
    /// most. Else [`Units::unit`] is an access unit as a container wants it.
    pub(super) fn take(&mut self) -> Option<Entry> {
        let Self { coded, sps, pps, joined, form } = self;
        let given = &coded[DELIMITER..];
        let mut head = h264::head(given);
        let mut sets = (0, 0);
        for nal in head.by_ref() {
            match h264::nal_type(nal) {
                Some(NalType::Sps) => keep(sps, &mut sets.0, nal),
                Some(NalType::Pps) => keep(pps, &mut sets.1, nal),
                _ => {}
            }
        }
        let entry = match h264::nal_type(head.slice()?) {
            Some(NalType::Idr) => Entry::Key,
            _ => Entry::Dependent,
        };
        let begun = h264::begins_with_delimiter(given);
        *form = match begun {
            _ if entry == Entry::Key && (sets.0 == 0 || sets.1 == 0) => Form::Joined,
            true => Form::Given,
            false => Form::Delimited,
        };
        if let Form::Joined = form {
            joined.clear();
            let rest = if begun { after_delimiter(given) } else { given };
            for part in [&ACCESS_UNIT_DELIMITER, sps.as_slice(), pps.as_slice(), rest] {
                joined.extend_from_slice(part);
            }
        }
        Some(entry)
    }

    /// The access unit last taken.
    pub(super) fn unit(&self) -> &[u8] {
        match self.form {
            Form::Given => &self.coded[DELIMITER..],
            Form::Delimited => &self.coded,
            Form::Joined => &self.joined,
        }
    }
}

/// Keeps a parameter set beside those that came with it in the same unit, in place of those before.
fn keep(kept: &mut Vec<u8>, count: &mut usize, nal: &[u8]) {
    if *count == 0 {
        kept.clear();
    }
    *count += 1;
    kept.extend_from_slice(&START_CODE);
    kept.extend_from_slice(nal);
}

/// A delimiter is one byte behind its header (7.3.2.4).
fn after_delimiter(unit: &[u8]) -> &[u8] {
    let start = unit.iter().position(|byte| *byte != 0).map_or(unit.len(), |one| one + 3);
    unit.get(start..).unwrap_or(&[])
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUD: &[u8] = &[0, 0, 0, 1, 0x09, 0x10];
    const SPS: &[u8] = &[0, 0, 0, 1, 0x67, 0x64, 0, 0x1F];
    const PPS: &[u8] = &[0, 0, 0, 1, 0x68, 0xEE];
    const SEI: &[u8] = &[0, 0, 1, 0x06, 5, 1, 0x80];
    const IDR: &[u8] = &[0, 0, 1, 0x65, 0x88, 0x84];
    const SLICE: &[u8] = &[0, 0, 0, 1, 0x41, 0x9A];

    fn take(units: &mut Units, parts: &[&[u8]]) -> Option<(Entry, Vec<u8>)> {
        units.room().extend(parts.concat());
        let entry = units.take()?;
        Some((entry, units.unit().to_vec()))
    }

    #[test]
    fn whatever_an_encoder_leaves_out_is_put_in() {
        let own: &[u8] = &ACCESS_UNIT_DELIMITER;
        type Case<'a> = (&'a [&'a [u8]], Entry, &'a [&'a [u8]]);
        let table: &[Case<'_>] = &[
            (&[AUD, SPS, PPS, IDR], Entry::Key, &[AUD, SPS, PPS, IDR]),
            (&[SPS, PPS, IDR], Entry::Key, &[own, SPS, PPS, IDR]),
            (&[IDR], Entry::Key, &[own, SPS, PPS, IDR]),
            (&[AUD, IDR], Entry::Key, &[own, SPS, PPS, IDR]),
            (&[&AUD[1..], SEI, IDR, IDR], Entry::Key, &[own, SPS, PPS, SEI, IDR, IDR]),
            (&[SEI, IDR], Entry::Key, &[own, SPS, PPS, SEI, IDR]),
            (&[SLICE], Entry::Dependent, &[own, SLICE]),
            (&[AUD, SLICE, SLICE], Entry::Dependent, &[AUD, SLICE, SLICE]),
            (&[PPS, SLICE], Entry::Dependent, &[own, PPS, SLICE]),
        ];
        let mut units = Units::new();
        assert_eq!(take(&mut units, &[SPS, PPS]), None, "parameter sets alone are no picture");
        assert_eq!(units.sps(), Some(&SPS[4..]));
        for (given, entry, whole) in table {
            assert_eq!(take(&mut units, given), Some((*entry, whole.concat())), "{given:?}");
        }
    }

    #[test]
    fn the_newest_parameter_sets_count() {
        let mut units = Units::new();
        let newer = [&SPS[..7], &[0x28]].concat();
        take(&mut units, &[SPS, PPS, IDR]);
        take(&mut units, &[&newer, PPS, IDR]);
        let expected = [&ACCESS_UNIT_DELIMITER, newer.as_slice(), PPS, IDR].concat();
        assert_eq!(take(&mut units, &[IDR]), Some((Entry::Key, expected)));
        // Two of a kind in one unit belong together.
        take(&mut units, &[SPS, PPS, &[0, 0, 0, 1, 0x68, 0xAA], IDR]);
        let expected = [&ACCESS_UNIT_DELIMITER, SPS, PPS, &[0, 0, 0, 1, 0x68, 0xAA], IDR].concat();
        assert_eq!(take(&mut units, &[IDR]), Some((Entry::Key, expected)));
    }

    #[test]
    fn rubbish_is_no_picture() {
        let mut units = Units::new();
        for rubbish in [&[][..], &[1, 2, 3], &[0, 0, 1], &[0, 0, 0, 1, 9], &[0xFF; 100]] {
            assert_eq!(take(&mut units, &[rubbish]), None, "{rubbish:?}");
        }
        assert_eq!(units.sps(), None);
    }
}
