//! The parameter sets of a stream, as containers carry them apart from its pictures (ISO/IEC 14496-15, 5.3).

use super::sps::has_samples;
use super::{NalType, Samples, Sps, SpsError, head, nal_type};

/// The parameter sets that stand before an IDR picture, which decoding it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterSets {
    sequence: Vec<Vec<u8>>,
    picture: Vec<Vec<u8>>,
    first: Sps,
}

/// Why an access unit's parameter sets are of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetsError {
    /// There is none of a kind before the first slice.
    #[error("no {0} parameter set before the picture")]
    Missing(&'static str),
    /// The first sequence parameter set makes no sense.
    #[error("the sequence parameter set is of no use: {0}")]
    Sps(#[from] SpsError),
    /// More or longer ones than the record's fields can tell.
    #[error("too many {0} parameter sets, or one of more than 65535 bytes")]
    TooMany(&'static str),
}

const SEQUENCE: &str = "sequence";
const PICTURE: &str = "picture";
/// `numOfSequenceParameterSets` has five bits, `numOfPictureParameterSets` eight.
const MAX_SEQUENCE: usize = 31;
const MAX_PICTURE: usize = 255;

impl ParameterSets {
    /// Those of an access unit in Annex B form, in their order; what is there twice is kept once.
    ///
    /// # Errors
    /// If a kind is missing, or the sets cannot be described.
    pub fn of(access_unit: &[u8]) -> Result<Self, SetsError> {
        let (mut sequence, mut picture) = (Vec::new(), Vec::new());
        for nal in head(access_unit) {
            let sets: &mut Vec<Vec<u8>> = match nal_type(nal) {
                Some(NalType::Sps) => &mut sequence,
                Some(NalType::Pps) => &mut picture,
                _ => continue,
            };
            if sets.iter().all(|set| set != nal) {
                sets.push(nal.to_vec());
            }
        }
        for (kind, sets, most) in [(SEQUENCE, &sequence, MAX_SEQUENCE), (PICTURE, &picture, MAX_PICTURE)] {
            if sets.len() > most || sets.iter().any(|set| set.len() > usize::from(u16::MAX)) {
                return Err(SetsError::TooMany(kind));
            }
        }
        let first = Sps::parse(sequence.first().ok_or(SetsError::Missing(SEQUENCE))?)?;
        if picture.is_empty() {
            return Err(SetsError::Missing(PICTURE));
        }
        Ok(Self { sequence, picture, first })
    }

    /// Whether all parameter sets of an access unit are among these; takes no memory.
    pub fn cover(&self, access_unit: &[u8]) -> bool {
        head(access_unit).all(|nal| match nal_type(nal) {
            Some(NalType::Sps) => self.sequence.iter().any(|set| set == nal),
            Some(NalType::Pps) => self.picture.iter().any(|set| set == nal),
            _ => true,
        })
    }

    /// What the first sequence parameter set says.
    pub fn sps(&self) -> &Sps {
        &self.first
    }

    /// The AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3.1), for lengths of four bytes before NAL units.
    pub fn record(&self) -> Vec<u8> {
        let [profile, constraints, level] = self.first.profile;
        // configurationVersion 1; six reserved bits and lengthSizeMinusOne 3; three reserved bits
        let mut out = vec![1, profile, constraints, level, 0xFF, 0xE0 | self.sequence.len() as u8];
        push(&mut out, &self.sequence);
        out.push(self.picture.len() as u8);
        push(&mut out, &self.picture);
        if has_samples(profile) {
            let Samples { chroma, luma_bits, chroma_bits } = self.first.samples;
            // Reserved bits before each; numOfSequenceParameterSetExt 0
            out.extend_from_slice(&[0xFC | chroma, 0xF8 | (luma_bits - 8), 0xF8 | (chroma_bits - 8), 0]);
        }
        out
    }
}

/// Each set behind its length.
fn push(out: &mut Vec<u8>, sets: &[Vec<u8>]) {
    for set in sets {
        out.extend_from_slice(&(set.len() as u16).to_be_bytes());
        out.extend_from_slice(set);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 1280x720, as a camera writes it: constrained baseline.
    const BASELINE: &[u8] = &[
        0x67, 0x42, 0xC0, 0x1F, 0xDA, 0x01, 0x40, 0x16, 0xEC, 0x04, 0x40, 0, 0, 3, 0, 0x40, 0, 0, 0x0F, 0x23,
        0xC6, 0x0C, 0xA8,
    ];
    const PPS: &[u8] = &[0x68, 0xCE, 0x3C, 0x80];
    const IDR: &[u8] = &[0x65, 0x88, 0x84];

    fn unit(nals: &[&[u8]]) -> Vec<u8> {
        nals.iter().flat_map(|nal| [&[0, 0, 0, 1][..], nal].concat()).collect()
    }

    #[test]
    fn records_byte_by_byte() {
        let sets = ParameterSets::of(&unit(&[&[9, 0xF0], BASELINE, PPS, PPS, IDR])).expect("whole sets");
        let expected = [&[1, 0x42, 0xC0, 0x1F, 0xFF, 0xE1, 0, 23], BASELINE, &[1, 0, 4][..], PPS].concat();
        assert_eq!(sets.record(), expected);
        assert_eq!(sets.sps().size.to_string(), "1280x720");

        // High profile: 4:2:0, 8 bits.
        let film: &[u8] = include_bytes!("../../../tests/data/ts/pictures.h264");
        let record = ParameterSets::of(film).expect("whole sets").record();
        assert_eq!(
            (&record[..4], &record[record.len() - 4..]),
            (&[1, 100, 0, 12][..], &[0xFD, 0xF8, 0xF8, 0][..])
        );
    }

    #[test]
    fn other_sets_are_noticed() {
        let other = &[0x68, 0xCE, 0x3C, 0x90][..];
        let sets = ParameterSets::of(&unit(&[BASELINE, PPS, IDR])).expect("whole sets");
        for (nals, covered) in [
            (&[IDR][..], true),
            (&[&[9, 0xF0], BASELINE, PPS, IDR], true),
            (&[BASELINE, other, IDR], false),
            (&[&BASELINE[..20], PPS, IDR], false),
        ] {
            assert_eq!(sets.cover(&unit(nals)), covered, "{nals:02x?}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let of = |nals: &[&[u8]]| ParameterSets::of(&unit(nals)).map(|_| ());
        assert_eq!(of(&[PPS, IDR]), Err(SetsError::Missing(SEQUENCE)));
        assert_eq!(of(&[BASELINE, IDR, PPS]), Err(SetsError::Missing(PICTURE)));
        assert_eq!(of(&[&[0x67, 0x42], PPS]), Err(SetsError::Sps(SpsError::Short)));
        let long = [&[0x68][..], &[7; 65_535]].concat();
        assert_eq!(of(&[BASELINE, &long]), Err(SetsError::TooMany(PICTURE)));
        let many: Vec<_> = (1..=32).map(|n| [0x67, n]).collect();
        let many: Vec<_> = many.iter().map(|set| &set[..]).collect();
        assert_eq!(of(&many), Err(SetsError::TooMany(SEQUENCE)));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            nals in proptest::collection::vec((0u8..12, proptest::collection::vec(any::<u8>(), 0..40)), 0..8),
        ) {
            let mut bytes = unit(&[BASELINE, PPS]);
            for (kind, nal) in nals {
                bytes.extend([0, 0, 1, kind]);
                bytes.extend(nal);
            }
            if let Ok(sets) = ParameterSets::of(&bytes) {
                prop_assert!(sets.cover(&bytes));
                prop_assert!(sets.record().len() > 9);
            }
        }
    }
}
